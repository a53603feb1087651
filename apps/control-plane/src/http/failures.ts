/** Failed authentications of one address within a window, before its failures are answered 429. */
const FAILURES_MAX = 20;
const WINDOW_MS = 60_000;
/** Addresses remembered; beyond that the oldest are forgotten. */
const ADDRESSES_MAX = 10_000;

export interface FailureLimit {
  /** null while failures of this address are still answered 401; otherwise how long it has to wait. */
  retryAfterMs(address: string, nowMs: number): number | null;
  record(address: string, nowMs: number): void;
}

/**
 * Counts failures only. Somebody with a valid token is served even when others behind the same address (a proxy, a
 * NAT) guess wildly; their failures turn from 401 into 429 and are no longer logged one by one.
 */
export function createFailureLimit(): FailureLimit {
  const windows = new Map<string, { count: number; endsAtMs: number }>();
  return {
    retryAfterMs(address, nowMs) {
      const window = windows.get(address);
      return window !== undefined && window.endsAtMs > nowMs && window.count >= FAILURES_MAX ? window.endsAtMs - nowMs : null;
    },
    record(address, nowMs) {
      const window = windows.get(address);
      if (window !== undefined && window.endsAtMs > nowMs) {
        window.count += 1;
        return;
      }
      // Delete first: a Map keeps insertion order, so the first entry is the oldest window.
      windows.delete(address);
      windows.set(address, { count: 1, endsAtMs: nowMs + WINDOW_MS });
      const oldest = windows.size > ADDRESSES_MAX ? windows.keys().next().value : undefined;
      if (oldest !== undefined) windows.delete(oldest);
    },
  };
}
