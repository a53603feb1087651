import {
  batchRuns,
  encodeBatch,
  encodeHeartbeat,
  encodeSnapshot,
  type Signer,
  sameBytes,
  stateCodec,
  ZERO_HASH,
} from '@fluxgate/protocol/sync';
import { type Head, type LoggedRevision, StoreCorrupt } from '@fluxgate/stores';
import type { Database } from '@fluxgate/stores/postgres';

/** Recent revisions kept in memory for nodes that fall behind a little. */
const RING_BYTES_MAX = 16 * 1024 * 1024;
const RING_REVISIONS_MAX = 100_000;
/** Signed batches kept, so that all nodes at the same place get the same bytes. */
const CHUNKS_MAX = 256;
const CHUNK_BYTES = 1024 * 1024;
const FETCH_REVISIONS = 1_000;
/** Below this gap a delta is taken without asking the tables which is cheaper. */
const SMALL_GAP = 500;

/** A signed batch that leads from one revision to a later one. */
export interface Chunk {
  readonly to: number;
  readonly urgent: boolean;
  readonly frame: Uint8Array;
}

export interface SnapshotFrames {
  readonly revision: number;
  readonly bytes: number;
  readonly parts: readonly Uint8Array[];
}

type FeedDatabase = Pick<Database, 'head' | 'revisionsAfter' | 'snapshot' | 'weigh'>;

export type Advance =
  | { readonly kind: 'none' }
  | { readonly kind: 'forward'; readonly revisions: readonly LoggedRevision[] }
  /** Another epoch began, or the log went back: everybody starts over. */
  | { readonly kind: 'broken_off'; readonly regressed: boolean };

/**
 * One realm's log as it goes to its nodes: follows the head, checks every revision against the chain before it is signed, and
 * makes each frame once, however many nodes take it.
 */
export class Feed {
  readonly realm: string;
  readonly signer: Signer;
  readonly #db: FeedDatabase;
  readonly #random: (bytes: number) => Uint8Array;
  #head: Head;
  #ring: LoggedRevision[] = [];
  #ringBytes = 0;
  readonly #chunks = new Map<number, Chunk>();
  #snapshot: SnapshotFrames | null = null;
  #making: Promise<SnapshotFrames> | null = null;
  /** Bytes of revisions since the kept snapshot. */
  #sinceSnapshot = 0;

  private constructor(realm: string, signer: Signer, db: FeedDatabase, random: (bytes: number) => Uint8Array, head: Head) {
    this.realm = realm;
    this.signer = signer;
    this.#db = db;
    this.#random = random;
    this.#head = head;
  }

  static async open(realm: string, signer: Signer, db: FeedDatabase, random: (bytes: number) => Uint8Array): Promise<Feed> {
    return new Feed(realm, signer, db, random, await db.head(realm));
  }

  get head(): Head {
    return this.#head;
  }

  /** Reads what is new. Errors: `DatabaseUnavailable`, `StoreCorrupt` (then nothing of it is ever sent). */
  async advance(): Promise<Advance> {
    const target = await this.#db.head(this.realm);
    const regressed = target.revision < this.#head.revision;
    if (target.epoch !== this.#head.epoch || regressed) {
      this.#startOver(target);
      return { kind: 'broken_off', regressed };
    }
    const fresh: LoggedRevision[] = [];
    while (this.#head.revision < target.revision) {
      const found = await this.#db.revisionsAfter(this.realm, this.#head.revision, FETCH_REVISIONS);
      if (found === 'gone' || found.length === 0) {
        // Pruned beneath us after a long outage: the head is known, what led to it is not.
        this.#startOver(target);
        return { kind: 'broken_off', regressed: false };
      }
      for (const entry of found) {
        this.#append(entry);
        fresh.push(entry);
      }
    }
    return fresh.length === 0 ? { kind: 'none' } : { kind: 'forward', revisions: fresh };
  }

  #append(entry: LoggedRevision): void {
    const chain = stateCodec.chain(this.#head.chain, entry.revision, entry.records);
    if (entry.revision !== this.#head.revision + 1 || !sameBytes(chain, entry.chain)) {
      throw new StoreCorrupt(
        `realm ${this.realm}: revision ${entry.revision} does not continue the chain; it is not sent to any node`,
      );
    }
    this.#head = { ...this.#head, revision: entry.revision, chain: entry.chain, stateDigest: entry.stateDigest };
    this.#ring.push(entry);
    this.#ringBytes += entry.records.byteLength + 200;
    this.#sinceSnapshot += entry.records.byteLength;
    if (this.#ringBytes <= RING_BYTES_MAX && this.#ring.length <= RING_REVISIONS_MAX) return;
    // In halves, not one by one: shift() on a long array is a copy.
    const keep = this.#ring.slice(Math.floor(this.#ring.length / 2));
    this.#ring = keep;
    this.#ringBytes = keep.reduce((sum, { records }) => sum + records.byteLength + 200, 0);
  }

  #startOver(head: Head): void {
    this.#head = head;
    this.#ring = [];
    this.#ringBytes = 0;
    this.#chunks.clear();
    this.#snapshot = null;
    this.#sinceSnapshot = 0;
  }

  /** Digest of the state at a recent revision, or null when it is not in memory. */
  digestAt(revision: number): Uint8Array | null {
    if (revision === this.#head.revision) return this.#head.stateDigest;
    return this.#ring[revision - (this.#ring[0]?.revision ?? Number.POSITIVE_INFINITY)]?.stateDigest ?? null;
  }

  /** How a node that has `revision` with `chain` comes to the head. */
  async planFor(revision: number, chain: Uint8Array | null): Promise<'none' | 'delta' | 'snapshot' | 'diverged'> {
    if (chain === null) return 'snapshot';
    if (revision > this.#head.revision) return 'diverged';
    if (revision === this.#head.revision) return sameBytes(chain, this.#head.chain) ? 'none' : 'diverged';
    const known = await this.#chainAt(revision);
    if (known === null) return 'snapshot';
    if (!sameBytes(known, chain)) return 'diverged';
    if (this.#head.revision - revision <= SMALL_GAP) return 'delta';
    const { deltaBytes, snapshotBytes } = await this.#db.weigh(this.realm, revision);
    return deltaBytes <= snapshotBytes ? 'delta' : 'snapshot';
  }

  async #chainAt(revision: number): Promise<Uint8Array | null> {
    if (revision === 0) return ZERO_HASH;
    const first = this.#ring[0]?.revision;
    if (first !== undefined && revision >= first) return this.#ring[revision - first]?.chain ?? null;
    const found = await this.#db.revisionsAfter(this.realm, revision - 1, 1);
    return found === 'gone' ? null : (found[0]?.chain ?? null);
  }

  /** The next signed batch after `revision`, or `gone` when the log no longer reaches back. null: nothing after it. */
  async chunkAfter(revision: number): Promise<Chunk | 'gone' | null> {
    if (revision >= this.#head.revision) return null;
    const kept = this.#chunks.get(revision);
    if (kept !== undefined) return kept;
    const { epoch } = this.#head;
    const chainFrom = await this.#chainAt(revision);
    if (chainFrom === null) return 'gone';
    const first = this.#ring[0]?.revision;
    const found =
      first !== undefined && revision + 1 >= first
        ? this.#ring.slice(revision + 1 - first, revision + 1 - first + FETCH_REVISIONS)
        : await this.#db.revisionsAfter(this.realm, revision, FETCH_REVISIONS);
    if (found === 'gone' || found.length === 0) return 'gone';
    const records = found.map((entry) => entry.records);
    const end = batchRuns(records, CHUNK_BYTES)[0]?.[1] ?? records.length;
    const taken = found.slice(0, end);
    const urgent = taken.some((entry) => entry.urgent);
    const frame = encodeBatch(this.signer, { epoch, from: revision, chainFrom, urgent, revisions: records.slice(0, end) });
    const chunk = { to: revision + taken.length, urgent, frame };
    if (epoch === this.#head.epoch) this.#keep(revision, chunk);
    return chunk;
  }

  #keep(from: number, chunk: Chunk): void {
    this.#chunks.set(from, chunk);
    const oldest = this.#chunks.size > CHUNKS_MAX ? this.#chunks.keys().next().value : undefined;
    if (oldest !== undefined) this.#chunks.delete(oldest);
  }

  /** The state at `atLeast` or later as signed frames; an older one is used while the deltas after it are small. One is made at a time. */
  async snapshotFrames(atLeast: number): Promise<SnapshotFrames> {
    const kept = this.#snapshot;
    if (kept !== null && kept.revision >= atLeast && this.#sinceSnapshot <= Math.max(64 * 1024, kept.bytes / 4)) return kept;
    this.#making ??= this.#make().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async #make(): Promise<SnapshotFrames> {
    const state = await this.#db.snapshot(this.realm);
    const parts = encodeSnapshot(this.signer, {
      epoch: state.epoch,
      id: this.#random(16),
      revision: state.revision,
      chain: state.chain,
      digest: state.stateDigest,
      records: state.records,
    });
    const made = { revision: state.revision, parts, bytes: parts.reduce((sum, part) => sum + part.byteLength, 0) };
    if (state.epoch === this.#head.epoch) {
      this.#snapshot = made;
      // What came before the snapshot's moment counts as after it until the next one: a bound, not a measure.
      this.#sinceSnapshot = 0;
    }
    return made;
  }

  heartbeat(nowMs: number): Uint8Array {
    const { epoch, revision, chain } = this.#head;
    return encodeHeartbeat(this.signer, { epoch, revision, chain, timeMs: nowMs });
  }
}
