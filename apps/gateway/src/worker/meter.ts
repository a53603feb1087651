import type { Recorded } from '../seam.ts';
import { ADDED_BOUNDS_S, LATENCY_BOUNDS_S } from '../telemetry/metricTable.ts';
import type { LatencyCount, RequestCount, WorkerReport } from './messages.ts';

const NO_ROUTE = '-';
const BOUNDS_MS = LATENCY_BOUNDS_S.map((seconds) => seconds * 1000);
const ADDED_BOUNDS_MS = ADDED_BOUNDS_S.map((seconds) => seconds * 1000);

interface RouteMeter {
  /** Forwarded, by status class 0–9. */
  readonly forwarded: Uint32Array;
  /** Refused, by code and status class. */
  readonly refused: Map<string, { status: string; count: number }>;
  readonly buckets: Uint32Array;
  sumMs: number;
  readonly added: Uint32Array;
  addedSumMs: number;
}

const newRoute = (): RouteMeter => ({
  forwarded: new Uint32Array(10),
  refused: new Map(),
  buckets: new Uint32Array(BOUNDS_MS.length + 1),
  sumMs: 0,
  added: new Uint32Array(ADDED_BOUNDS_MS.length + 1),
  addedSumMs: 0,
});

/** Index of the first bound that is not below `ms`. */
function bucketOf(bounds: readonly number[], ms: number): number {
  let bucket = 0;
  while (bucket < bounds.length && ms > (bounds[bucket] as number)) bucket++;
  return bucket;
}

/** How long the request was with the upstream: from handing it over to the last byte, or to where it broke. */
function upstreamMs(recorded: Recorded): number {
  if (recorded.handedMs === 0) return 0;
  const endMs = recorded.upstreamEndMs === 0 ? recorded.startedMs + recorded.durationMs : recorded.upstreamEndMs;
  return endMs - recorded.handedMs;
}

/** Counts what a worker did. Plain numbers on the request's way; labels and messages once a second. */
export class Meter {
  #routes = new Map<string, RouteMeter>();
  #losses = new Map<string, { limit: 'quota' | 'budget'; did: 'deny' | 'local' | 'allow'; count: number }>();
  #bytesIn = 0;
  #bytesOut = 0;

  record(recorded: Recorded): void {
    const { decision } = recorded;
    const name = decision?.route?.name ?? NO_ROUTE;
    let route = this.#routes.get(name);
    if (route === undefined) {
      route = newRoute();
      this.#routes.set(name, route);
    }
    const code = decision?.kind === 'answer' ? decision.code : null;
    if (code === null) {
      const status = Math.trunc(recorded.status / 100) % 10;
      route.forwarded[status] = (route.forwarded[status] ?? 0) + 1;
    } else {
      const refused = route.refused.get(code);
      if (refused === undefined) route.refused.set(code, { status: statusClass(recorded.status / 100), count: 1 });
      else refused.count++;
    }
    this.#bytesIn += recorded.bytesIn;
    this.#bytesOut += recorded.bytesOut;
    // A stream lives for hours, and what nobody could read has no time: neither says how fast the gateway is.
    if (recorded.status === 101 || recorded.startedMs === 0) return;
    const { durationMs } = recorded;
    const bucket = bucketOf(BOUNDS_MS, durationMs);
    route.buckets[bucket] = (route.buckets[bucket] ?? 0) + 1;
    route.sumMs += durationMs;
    const addedMs = Math.max(0, durationMs - upstreamMs(recorded));
    const addedBucket = bucketOf(ADDED_BOUNDS_MS, addedMs);
    route.added[addedBucket] = (route.added[addedBucket] ?? 0) + 1;
    route.addedSumMs += addedMs;
  }

  lost(limit: 'quota' | 'budget', did: 'deny' | 'local' | 'allow'): void {
    const key = `${limit} ${did}`;
    const known = this.#losses.get(key);
    if (known === undefined) this.#losses.set(key, { limit, did, count: 1 });
    else known.count++;
  }

  /** Everything since the last call, or null if nothing happened. */
  take(): WorkerReport | null {
    if (this.#routes.size === 0 && this.#losses.size === 0) return null;
    const requests: RequestCount[] = [];
    const latencies: LatencyCount[] = [];
    for (const [route, meter] of this.#routes) {
      for (const [digit, count] of meter.forwarded.entries())
        if (count > 0) requests.push({ route, status: statusClass(digit), code: '', count });
      for (const [code, { status, count }] of meter.refused) requests.push({ route, status, code, count });
      latencies.push({
        route,
        buckets: [...meter.buckets],
        sumS: meter.sumMs / 1000,
        added: [...meter.added],
        addedSumS: meter.addedSumMs / 1000,
      });
    }
    const report: WorkerReport = {
      requests,
      latencies,
      losses: [...this.#losses.values()],
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
    };
    this.#routes = new Map();
    this.#losses = new Map();
    this.#bytesIn = 0;
    this.#bytesOut = 0;
    return report;
  }
}

/** `2xx`; `0xx` for an exchange that broke before it had a status. */
function statusClass(digit: number): string {
  return `${Math.trunc(digit)}xx`;
}
