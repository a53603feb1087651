import type { HeadLimits } from './head-scanner.ts';

/** Bounds of a worker's wire. Bytes, milliseconds, counts per worker. */
export interface WireLimits extends HeadLimits {
  readonly responseHeadBytes: number;
  readonly bodyBytes: number;
  /** From the first byte of a head (or the opening of the connection) to its end. */
  readonly headMs: number;
  /** Between two requests. */
  readonly keepAliveMs: number;
  /** An awaited decision. */
  readonly decideMs: number;
  /** Between two pieces of a request body. */
  readonly bodyGapMs: number;
  /** A body slower than this on average, after one `bodyGapMs`, is refused with 408. */
  readonly bodyBytesPerSecond: number;
  /** A client that takes nothing for so long is cut off. */
  readonly sendStallMs: number;
  /** After the last answer: how long what still comes in is read and thrown away, so that the answer is not lost to a reset. */
  readonly lingerMs: number;
  /** A refused request's body is read to its end up to this size to keep the connection; a larger one costs the connection. */
  readonly drainBytes: number;
  /** Bytes held per connection that nobody has taken yet (pipelined requests, a body before its upstream is there). */
  readonly inputBytes: number;
  readonly clients: number;
  readonly connectionsPerTarget: number;
  readonly queuePerTarget: number;
  readonly upstreamKeepAliveMs: number;
  readonly tunnelIdleMs: number;
  readonly tunnelLifeMs: number;
  readonly dnsTtlMs: number;
}

export const DEFAULT_LIMITS: WireLimits = {
  headBytes: 32_768,
  fields: 100,
  targetBytes: 8192,
  responseHeadBytes: 65_536,
  bodyBytes: 1_073_741_824,
  headMs: 10_000,
  keepAliveMs: 75_000,
  decideMs: 30_000,
  bodyGapMs: 30_000,
  bodyBytesPerSecond: 256,
  sendStallMs: 60_000,
  lingerMs: 1000,
  drainBytes: 65_536,
  inputBytes: 65_536,
  clients: 20_000,
  connectionsPerTarget: 512,
  queuePerTarget: 1024,
  upstreamKeepAliveMs: 30_000,
  tunnelIdleMs: 300_000,
  tunnelLifeMs: 86_400_000,
  dnsTtlMs: 30_000,
};
