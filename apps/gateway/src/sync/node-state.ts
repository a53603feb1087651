import type { FrameRevision, Held, SnapshotFrame } from '@fluxgate/protocol/sync';
import { RealmState } from '@fluxgate/protocol/sync';
import { KeyIndex, type KeyIndexBounds } from '../memory/key-index-writer.ts';
import type { Position } from './session.ts';

/** What applying something changed, as far as others must hear of it. */
export interface Change {
  readonly configChanged: boolean;
  /** The index lies in new memory: workers must attach to it. */
  readonly indexReplaced: boolean;
}

/** The state of the realm on this node: keys and grants in shared memory, configuration here. */
export class NodeState {
  readonly #bounds: Partial<KeyIndexBounds>;
  #index: KeyIndex;
  #state: RealmState;
  #position: Position | null = null;

  constructor(bounds: Partial<KeyIndexBounds> = {}) {
    this.#bounds = bounds;
    this.#index = new KeyIndex(bounds);
    this.#state = new RealmState(this.#index);
  }

  get index(): KeyIndex {
    return this.#index;
  }

  get position(): Position | null {
    return this.#position;
  }

  get digest(): Buffer {
    return this.#state.digest;
  }

  get held(): Held[] {
    return this.#state.held;
  }

  /** JSON of the RealmConfig. */
  configJson(): string {
    return JSON.stringify(this.#state.config());
  }

  /**
   * Builds the snapshot beside what is served, then takes its place as a whole: nobody sees half of it, and a grant number that another
   * epoch gave to something else is never read under the old meaning.
   */
  loadSnapshot(parts: readonly SnapshotFrame[], position: Position): Change {
    const index = new KeyIndex(this.#bounds);
    const state = new RealmState(index);
    index.reserve(parts[0]?.entities ?? 0);
    for (const part of parts) state.apply(part.records);
    this.#index = index;
    this.#state = state;
    this.#position = position;
    return { configChanged: true, indexReplaced: true };
  }

  /** In place: a revoked key is refused by every worker when this returns. */
  applyRevisions(revisions: readonly FrameRevision[], position: Position): Change {
    let configChanged = this.#position === null;
    for (const { records } of revisions) if (this.#state.apply(records).configChanged) configChanged = true;
    this.#position = position;
    return { configChanged, indexReplaced: false };
  }
}
