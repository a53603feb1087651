import type { MessagePort } from 'node:worker_threads';
import type { KeyIndexHandles, LeaseHandles } from '../memory/handles.ts';

/**
 * Everything that main, the sync thread and the request workers say to each other.
 *
 *     main ── workerData: SyncThreadData ──► sync          main makes the lease and rate memory, which outlives a sync thread
 *     main ── ToSync ──► sync ── FromSync ──► main         over parentPort
 *     sync ── ToWorker ──► worker ── FromWorker ──► sync   over one MessageChannel per worker, made by main: one end goes to the
 *                                                          worker in its workerData, the other here with `worker-joined`
 *
 * A worker that joins gets at once, in this order, what exists: `index`, `link`, `peppers`, `plan`. It is ready to serve when it has
 * `index`, `peppers` (if API keys are enabled) and `plan`.
 */

/** workerData of the sync thread (`new URL('./sync-thread.js', import.meta.url)`). */
export interface SyncThreadData {
  /** One or more control-plane URLs (http, https, ws or wss); plain ones only to loopback. */
  readonly controlPlanes: readonly string[];
  /** `fgn_…_<fingerprint>`. */
  readonly nodeToken: string;
  /** What the control plane calls this node. */
  readonly nodeName: string;
  /** Holds node.key, identity, snapshots and log; made 0700 if it is missing. One gateway process per directory. */
  readonly dataDir: string;
  readonly version: string;
  /** New for each process start, kept when only the thread is restarted. 8–64 characters. */
  readonly bootId: string;
  /** Workers that main means to run: told to the control plane. */
  readonly workers: number;
  readonly leases: LeaseHandles;
  /** PEM of further certificate authorities for wss, or null. */
  readonly caPem: string | null;
}

// ── main → sync ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `port` must be in the transfer list. A worker counts for `applied` from here until `worker-left`. */
export interface WorkerJoined {
  readonly t: 'worker-joined';
  readonly worker: number;
  readonly port: MessagePort;
}
export interface WorkerLeft {
  readonly t: 'worker-left';
  readonly worker: number;
}
/** Flush usage, give leases back, sync the disk, close the socket; answered by `stopped`. */
export interface Stop {
  readonly t: 'stop';
}
/** Answer to a `CommandMessage`. `body` is JSON. */
export interface CommandResultMessage {
  readonly t: 'command-result';
  readonly id: string;
  readonly ok: boolean;
  readonly body: unknown;
}
export type ToSync = WorkerJoined | WorkerLeft | Stop | CommandResultMessage;

// ── sync → main ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Posted within a tenth of a second of a change, and once a second. */
export interface SyncStatus {
  readonly realm: string;
  /** empty: no state yet, nothing can be served; static: state from disk or link lost; live: connected and welcomed. */
  readonly state: 'empty' | 'static' | 'live';
  readonly connected: boolean;
  readonly controlPlane: string | null;
  readonly epoch: string | null;
  /** Newest revision the control plane told of. */
  readonly head: number;
  readonly applied: number;
  readonly durable: number;
  /** Hex. */
  readonly digest: string | null;
  readonly keys: number;
  readonly secretsGeneration: string | null;
  /** Wall clock of the last signed frame from the control plane that said where the head is; null: never since start. Staleness is now − this. */
  readonly lastContactMs: number | null;
  readonly quarantined: readonly { readonly kind: string; readonly id: string; readonly why: string }[];
  /** Why the last connection attempt ended, for people; null while connected. */
  readonly trouble: string | null;
  readonly frames: { readonly applied: number; readonly refused: number };
  readonly leases: {
    readonly requested: number;
    readonly granted: number;
    readonly exhausted: number;
    readonly unavailable: number;
  };
}
export interface StatusMessage {
  readonly t: 'status';
  readonly status: SyncStatus;
}
/** For main's logger. Fields never hold secrets. */
export interface LogMessage {
  readonly t: 'log';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}
/** The node cannot run like this (data directory not writable, token unreadable …). main prints it and exits 1. */
export interface FatalMessage {
  readonly t: 'fatal';
  readonly why: string;
  readonly remedy: string;
}
export interface StoppedMessage {
  readonly t: 'stopped';
}
/** The control plane asks the node for something that is not state (`jwks.status` …); answered by `CommandResultMessage`. */
export interface CommandMessage {
  readonly t: 'command';
  readonly id: string;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}
export type FromSync = CommandMessage | StatusMessage | LogMessage | FatalMessage | StoppedMessage;

// ── sync → worker ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Attach to this memory; replaces the one before (first boot, growth beyond the reserve, restarted sync thread). */
export interface IndexMessage {
  readonly t: 'index';
  readonly handles: KeyIndexHandles;
}
/** Compile and swap, then answer `plan-applied` with the same sequence. Only revisions that change the configuration send one. */
export interface PlanMessage {
  readonly t: 'plan';
  readonly sequence: number;
  readonly epoch: string;
  readonly revision: number;
  /** JSON of a RealmConfig. */
  readonly config: string;
}
/** The pepper ring: 32 bytes each. Memory only: never log, never write. Replaces the ring before; answered by `peppers-applied`. */
export interface PeppersMessage {
  readonly t: 'peppers';
  readonly generation: string;
  readonly peppers: readonly (readonly [version: number, bytes: Uint8Array])[];
}
/** Whether the state is being kept current. For `stale_state` and `fallback_action`. */
export interface LinkMessage {
  readonly t: 'link';
  readonly state: SyncStatus['state'];
  readonly lastContactMs: number | null;
}
export interface LeaseAnswerMessage {
  readonly t: 'lease-answer';
  readonly id: number;
  readonly outcome: 'granted' | 'exhausted' | 'unavailable';
}
export type ToWorker = IndexMessage | PlanMessage | PeppersMessage | LinkMessage | LeaseAnswerMessage;

// ── worker → sync ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `fault`: why the plan could not be compiled (the plan before stays in force), else null. */
export interface PlanAppliedMessage {
  readonly t: 'plan-applied';
  readonly sequence: number;
  readonly fault: string | null;
}
/** The worker verifies with the ring of this generation from now on. */
export interface PeppersAppliedMessage {
  readonly t: 'peppers-applied';
  readonly generation: string;
}
/** `spend` said empty: answered by `lease-answer` with the same id. */
export interface LeaseMessage {
  readonly t: 'lease';
  readonly id: number;
  readonly subject: string;
}
/** Less than a quarter of the lease is left: fetch the next, nobody waits. */
export interface PrefetchMessage {
  readonly t: 'prefetch';
  readonly subject: string;
}
/** What one worker counted since its last report, per key version and UTC day. */
export interface UsageMessage {
  readonly t: 'usage';
  readonly entries: readonly UsageEntry[];
}
export interface UsageEntry {
  readonly kid: string;
  /** YYYY-MM-DD, UTC. */
  readonly day: string;
  readonly allowed: number;
  /** Refused after possession was proven. */
  readonly refused: number;
  readonly lastUsedS: number;
  readonly lastAddress: string | null;
  /** At most 200 characters. */
  readonly lastUserAgent: string | null;
}
export type FromWorker = PlanAppliedMessage | PeppersAppliedMessage | LeaseMessage | PrefetchMessage | UsageMessage;
