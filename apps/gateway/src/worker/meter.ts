import type { AccessLog } from '../config.ts';
import type { Record as RecordExchange } from '../seam.ts';
import { type AccessLine, LATENCY_BOUNDS_S, type LatencyCount, type RequestCount, type WorkerReport } from './messages.ts';

const NO_ROUTE = '-';
const BOUNDS_MS = LATENCY_BOUNDS_S.map((seconds) => seconds * 1000);
/** Lines per report (a second) in mode `refusals`; in mode `all` it only keeps memory bounded. */
const LINES_MAX = { off: 0, refusals: 50, all: 50_000 } as const;

interface RouteMeter {
  /** Forwarded, by status class 0–9. */
  readonly forwarded: Uint32Array;
  /** Refused, by code and status class. */
  readonly refused: Map<string, { status: string; count: number }>;
  readonly buckets: Uint32Array;
  sumMs: number;
}

type Exchange = Parameters<RecordExchange>[0];

/** Counts what a worker did. Plain numbers on the request's way; labels and messages once a second. */
export class Meter {
  readonly #access: AccessLog;
  readonly #wallMs: () => number;
  #routes = new Map<string, RouteMeter>();
  #losses = new Map<string, { limit: 'quota' | 'budget'; did: 'deny' | 'local' | 'allow'; count: number }>();
  #lines: AccessLine[] = [];
  #skipped = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(access: AccessLog, wallMs: () => number) {
    this.#access = access;
    this.#wallMs = wallMs;
  }

  record(exchange: Exchange): void {
    const decision = exchange.decision;
    const name = decision?.route?.name ?? NO_ROUTE;
    let route = this.#routes.get(name);
    if (route === undefined) {
      route = { forwarded: new Uint32Array(10), refused: new Map(), buckets: new Uint32Array(BOUNDS_MS.length + 1), sumMs: 0 };
      this.#routes.set(name, route);
    }
    const code = decision?.kind === 'answer' ? decision.code : null;
    if (code === null) {
      const status = Math.trunc(exchange.status / 100) % 10;
      route.forwarded[status] = (route.forwarded[status] ?? 0) + 1;
    } else {
      const refused = route.refused.get(code);
      if (refused === undefined) route.refused.set(code, { status: statusClass(exchange.status / 100), count: 1 });
      else refused.count++;
    }
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && exchange.durationMs > (BOUNDS_MS[bucket] as number)) bucket++;
    route.buckets[bucket] = (route.buckets[bucket] ?? 0) + 1;
    route.sumMs += exchange.durationMs;
    this.#bytesIn += exchange.bytesIn;
    this.#bytesOut += exchange.bytesOut;
    if (this.#access === 'all' || (this.#access === 'refusals' && (code !== null || exchange.fault !== null)))
      this.#note(exchange, code);
  }

  lost(limit: 'quota' | 'budget', did: 'deny' | 'local' | 'allow'): void {
    const key = `${limit} ${did}`;
    const known = this.#losses.get(key);
    if (known === undefined) this.#losses.set(key, { limit, did, count: 1 });
    else known.count++;
  }

  #note(exchange: Exchange, code: string | null): void {
    if (this.#lines.length >= LINES_MAX[this.#access]) {
      this.#skipped++;
      return;
    }
    const { facts, decision } = exchange;
    this.#lines.push({
      time: this.#wallMs(),
      traceId: facts?.traceId ?? '',
      client: facts?.clientText ?? '',
      method: facts?.method ?? '',
      host: facts?.host ?? '',
      path: facts?.path ?? '',
      route: decision?.route?.name ?? null,
      status: exchange.status,
      code,
      because: decision?.kind === 'answer' ? decision.because : null,
      principal: decision?.kind === 'forward' ? decision.principal : null,
      upstream: exchange.upstreamTarget,
      durationMs: Math.round(exchange.durationMs * 1000) / 1000,
      bytesIn: exchange.bytesIn,
      bytesOut: exchange.bytesOut,
      fault: exchange.fault,
    });
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
      latencies.push({ route, buckets: [...meter.buckets], sumS: meter.sumMs / 1000 });
    }
    const report: WorkerReport = {
      requests,
      latencies,
      losses: [...this.#losses.values()],
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      accessLines: this.#lines,
      accessSkipped: this.#skipped,
    };
    this.#routes = new Map();
    this.#losses = new Map();
    this.#lines = [];
    this.#skipped = 0;
    this.#bytesIn = 0;
    this.#bytesOut = 0;
    return report;
  }
}

/** `2xx`; `0xx` for an exchange that broke before it had a status. */
function statusClass(digit: number): string {
  return `${Math.trunc(digit)}xx`;
}
