import type { BatchFrame, Frame, FrameRevision, HeartbeatFrame, SnapshotFrame, Welcome } from '@fluxgate/protocol/sync';
import { PROTOCOL_VERSION, sameBytes, ZERO_HASH } from '@fluxgate/protocol/sync';

/**
 * What one connection may do to the state: a pure function of what is held and what arrives. Signatures are checked before (a frame that
 * gets here is the realm's); here it is judged whether it continues what is held.
 */

/** Identity of a state: equal positions mean equal histories. */
export interface Position {
  readonly epoch: string;
  readonly revision: number;
  readonly chain: Uint8Array;
}

export interface SignedFrame<F extends Frame = Frame> {
  readonly frame: F;
  /** As it came: this is what goes to disk. */
  readonly bytes: Uint8Array;
}

export interface SessionState {
  readonly phase: 'greeting' | 'following';
  readonly realm: string;
  /** Of the state in memory; null before there is one. */
  readonly held: Position | null;
  /** Epochs that were left: nothing of them is believed again. */
  readonly formerEpochs: readonly string[];
  /** Of the connection. */
  readonly epoch: string | null;
  readonly head: number;
  /** The control plane's clock in the last heartbeat: an older one is a replay. */
  readonly heartbeatMs: number;
  /** Parts of a snapshot so far. */
  readonly parts: readonly SignedFrame<SnapshotFrame>[];
}

export type SessionEffect =
  | {
      readonly t: 'apply-batch';
      readonly revisions: readonly FrameRevision[];
      readonly position: Position;
      readonly signed: SignedFrame<BatchFrame>;
    }
  | { readonly t: 'apply-snapshot'; readonly parts: readonly SignedFrame<SnapshotFrame>[]; readonly position: Position }
  /** The control plane vouched for where the head is. */
  | { readonly t: 'contact' }
  /** Close and come again. `resync`: what is held is not trusted to be continued; ask for a snapshot. */
  | { readonly t: 'close'; readonly why: string; readonly resync: boolean };

export interface Step {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

export function beginSession(realm: string, held: Position | null, formerEpochs: readonly string[], head: number): SessionState {
  return { phase: 'greeting', realm, held, formerEpochs, epoch: null, head, heartbeatMs: 0, parts: [] };
}

const close = (state: SessionState, why: string, resync = false): Step => ({ state, effects: [{ t: 'close', why, resync }] });

/** `trusted`: one of its signing keys is the pinned one. */
export function onWelcome(state: SessionState, welcome: Welcome, trusted: boolean): Step {
  if (state.phase !== 'greeting') return close(state, 'a second welcome');
  if (welcome.protocol !== PROTOCOL_VERSION)
    return close(state, `the control plane speaks protocol ${welcome.protocol}, this node ${PROTOCOL_VERSION}`);
  if (welcome.realm !== state.realm)
    return close(state, `the control plane serves realm ${welcome.realm}, the node token is of ${state.realm}`);
  if (!trusted) return close(state, 'the control plane does not hold the signing key that the node token names');
  if (state.formerEpochs.includes(welcome.epoch)) return close(state, 'the control plane is in an epoch that this node has left');
  const continues = state.held === null || state.held.epoch === welcome.epoch;
  if (welcome.intent !== 'snapshot' && !continues) return close(state, 'a new epoch without a snapshot', true);
  return { state: { ...state, phase: 'following', epoch: welcome.epoch, head: welcome.revision }, effects: [] };
}

export function onFrame(state: SessionState, signed: SignedFrame): Step {
  if (state.phase !== 'following') return close(state, 'state before the welcome');
  if (signed.frame.epoch !== state.epoch) return close(state, 'a frame of another epoch');
  switch (signed.frame.type) {
    case 'heartbeat':
      return onHeartbeat(state, signed.frame);
    case 'batch':
      return onBatch(state, { frame: signed.frame, bytes: signed.bytes });
    case 'snapshot':
      return onSnapshotPart(state, { frame: signed.frame, bytes: signed.bytes });
  }
}

function onHeartbeat(state: SessionState, frame: HeartbeatFrame): Step {
  if (frame.timeMs < state.heartbeatMs) return { state, effects: [] };
  const { held } = state;
  if (held !== null && held.epoch === frame.epoch && held.revision === frame.revision && !sameBytes(held.chain, frame.chain)) {
    return close(state, 'the history held is not that of the control plane', true);
  }
  return {
    state: { ...state, heartbeatMs: frame.timeMs, head: Math.max(state.head, frame.revision) },
    effects: [{ t: 'contact' }],
  };
}

export type Continuation =
  | { readonly t: 'new'; readonly revisions: readonly FrameRevision[]; readonly position: Position }
  /** Everything in it is held already. */
  | { readonly t: 'known' }
  | { readonly t: 'gap' }
  | { readonly t: 'diverged' };

/** What of a batch is new to whoever holds `held`. The same judgement for the wire and for the log on disk. */
export function continuation(held: Position | null, frame: BatchFrame): Continuation {
  const at = held ?? { epoch: frame.epoch, revision: 0, chain: ZERO_HASH };
  if (at.epoch !== frame.epoch) return { t: 'diverged' };
  if (frame.from > at.revision) return { t: 'gap' };
  const overlap = at.revision - frame.from;
  if (overlap > frame.revisions.length) return { t: 'known' };
  const chain = overlap === 0 ? frame.chainFrom : frame.revisions[overlap - 1]?.chain;
  if (chain === undefined || !sameBytes(chain, at.chain)) return { t: 'diverged' };
  if (overlap === frame.revisions.length) return { t: 'known' };
  return {
    t: 'new',
    revisions: frame.revisions.slice(overlap),
    position: { epoch: frame.epoch, revision: frame.to, chain: Uint8Array.from(frame.chainTo) },
  };
}

function onBatch(state: SessionState, signed: SignedFrame<BatchFrame>): Step {
  if (state.parts.length > 0) return close(state, 'a batch in the middle of a snapshot');
  const next = continuation(state.held, signed.frame);
  switch (next.t) {
    case 'known':
      return { state, effects: [] };
    case 'gap':
      return close(state, `revisions are missing before ${signed.frame.from + 1}`);
    case 'diverged':
      return close(state, 'a batch that does not continue the history held', true);
    case 'new': {
      const { position, revisions } = next;
      return {
        state: { ...state, held: position, head: Math.max(state.head, position.revision) },
        effects: [{ t: 'apply-batch', revisions, position, signed }, { t: 'contact' }],
      };
    }
  }
}

/** Why this part does not follow those before it, or null. */
export function partProblem(parts: readonly SnapshotFrame[], next: SnapshotFrame): string | null {
  const first = parts[0];
  if (next.part !== parts.length) return `part ${next.part} of a snapshot where ${parts.length} is due`;
  if (first === undefined) return null;
  const same =
    sameBytes(first.id, next.id) &&
    first.epoch === next.epoch &&
    first.revision === next.revision &&
    first.parts === next.parts &&
    first.entities === next.entities &&
    sameBytes(first.chain, next.chain) &&
    sameBytes(first.digest, next.digest);
  return same ? null : 'parts of different snapshots';
}

/** Whether all parts are there, and hold what they announce; else why not. */
export function snapshotProblem(parts: readonly SnapshotFrame[]): string | null {
  const first = parts[0];
  if (first === undefined || parts.length !== first.parts) return 'parts are missing';
  const count = parts.reduce((sum, part) => sum + part.records.length, 0);
  return count === first.entities ? null : `a snapshot of ${count} entities that announces ${first.entities}`;
}

function onSnapshotPart(state: SessionState, signed: SignedFrame<SnapshotFrame>): Step {
  const { frame } = signed;
  const restart = frame.part === 0;
  const before = restart ? [] : state.parts;
  const problem = partProblem(
    before.map((part) => part.frame),
    frame,
  );
  if (problem !== null) return close(state, problem);
  if (state.held !== null && state.held.epoch === frame.epoch && frame.revision < state.held.revision) {
    return close(state, `a snapshot of revision ${frame.revision}, older than ${state.held.revision} which is held`);
  }
  const parts = [...before, signed];
  if (parts.length < frame.parts) return { state: { ...state, parts }, effects: [] };
  const incomplete = snapshotProblem(parts.map((part) => part.frame));
  if (incomplete !== null) return close(state, incomplete);
  const position: Position = { epoch: frame.epoch, revision: frame.revision, chain: Uint8Array.from(frame.chain) };
  const left =
    state.held !== null && state.held.epoch !== frame.epoch ? [...state.formerEpochs, state.held.epoch] : state.formerEpochs;
  return {
    state: { ...state, held: position, head: Math.max(state.head, position.revision), parts: [], formerEpochs: left },
    effects: [{ t: 'apply-snapshot', parts, position }, { t: 'contact' }],
  };
}
