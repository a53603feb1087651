import type { Rate } from '@fluxgate/policy';

/** A key record as a worker sees it. One mutable view per reader is reused: copy what must outlive the call. */
export interface KeyView {
  readonly digest: Uint8Array; // 16 bytes, scratch
  pepperVersion: number;
  state: 0 | 1 | 2 | 3; // active, retiring, revoked, suspended
  notAfterS: number;
  grant: number;
  credential: number;
  /** Read lazily: decoding a name costs. */
  name(): string;
}

/** Lock-free reader over SharedArrayBuffers; the sync thread is the only writer. */
export interface KeyIndexReader {
  /** null: no such kid. Never throws on hostile input of the right shape. */
  find(kid: string): KeyView | null;
  /** JSON of an immutable grant, or null if unknown (then the request is refused 503, never passed). */
  grant(number: number): string | null;
  readonly size: number;
  /** Moves with every key or grant that is put or deleted, once the change can be seen. */
  readonly changes: number;
}

export interface RateVerdict {
  allowed: boolean;
  remaining: number;
  retryAfterMs: number;
  resetMs: number;
}

/** GCRA cells in shared memory, exact over the workers of this node. */
export interface RateCounters {
  /** `limit` names the limit (plan-wide number), `subject` who is counted. The verdict object is reused. */
  take(limit: number, subject: string, rate: Rate, burst: number, nowMs: number): RateVerdict;
}

/** Tokens leased from the control plane, spent with Atomics. */
export interface LeaseTable {
  /**
   * ok: one token was spent. empty: ask the sync thread (`LeaseClient`) and wait.
   * exhausted: the control plane said the limit is reached for this window. lost: no authority and no token.
   * Deadlines are told in the monotonic clock, which the shared table reads itself: `nowMs` cannot revive a lease.
   */
  spend(subject: string, nowMs: number): 'ok' | 'empty' | 'exhausted' | 'lost';
  /**
   * Puts back one token that `spend` gave for this very subject and that was not used, because a later limit refused the request.
   * If the cell has gone meanwhile the token is lost: fewer are admitted, never more.
   */
  refund(subject: string): void;
  /** Lower bound of what is left for the whole window, for RateLimit headers. */
  left(subject: string): number;
}

/** Worker → sync thread; resolves when tokens arrived, the limit is exhausted, or the authority is away. */
export interface LeaseClient {
  /** subject: `q:<credential>:<window>` or `b:<kid>` */
  request(subject: string): Promise<'granted' | 'exhausted' | 'unavailable'>;
}
