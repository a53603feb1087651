import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ListenerState } from '../listeners/listener.ts';
import type { KeySetCount } from '../services/messages.ts';
import type { SyncStatus } from '../sync/thread-messages.ts';
import { LATENCY_BOUNDS_S, type WorkerReport } from '../worker/messages.ts';

export interface Metrics {
  add(report: WorkerReport): void;
  restarted(thread: 'sync' | 'worker' | 'services'): void;
  /** Replaces what was told before. */
  keySets(sets: readonly KeySetCount[]): void;
  readonly contentType: string;
  text(): Promise<string>;
}

export interface Live {
  readonly status: SyncStatus | null;
  readonly workersServing: number;
  readonly workersWanted: number;
  /** Rate limits that were charged to a shared overflow cell, since start. */
  readonly crowded: number;
  readonly listeners: readonly ListenerState[];
  readonly nowMs: number;
}

/** `startedMs`: when the process started. `live` is asked at each scrape. Workers report what they counted once a second; what a dead worker had reported stays counted. */
export function createMetrics(version: string, startedMs: number, live: () => Live): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) => new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string, value: (now: Live) => number | null) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const now = value(live());
        if (now === null) this.reset();
        else this.set(now);
      },
    });

  new Gauge({ name: 'fluxgate_build_info', help: 'Always 1; the version is a label', labelNames: ['version'], registers }).set(
    { version },
    1,
  );
  const requests = counter('fluxgate_requests_total', 'Requests by route, status class and, where the gateway refused, code', [
    'route',
    'status',
    'code',
  ]);
  const losses = counter(
    'fluxgate_limit_authority_losses_total',
    'Requests whose exact limit could not be counted, and what on_authority_loss did',
    ['limit', 'did'],
  );
  const bytesIn = counter('fluxgate_received_bytes_total', 'Bytes of requests received from clients');
  const bytesOut = counter('fluxgate_sent_bytes_total', 'Bytes of responses sent to clients');
  const restarts = counter('fluxgate_thread_restarts_total', 'Threads that died and were started again', ['thread']);
  gauge('fluxgate_workers', 'Request workers that serve', (now) => now.workersServing);
  gauge('fluxgate_workers_wanted', 'Request workers that should serve', (now) => now.workersWanted);
  gauge('fluxgate_sync_connected', '1 while a control plane is connected', (now) => (now.status?.connected ? 1 : 0));
  gauge('fluxgate_sync_head_revision', 'Newest revision the control plane told of', (now) => now.status?.head ?? null);
  gauge('fluxgate_sync_applied_revision', 'Revision that decides requests', (now) => now.status?.applied ?? null);
  gauge('fluxgate_sync_durable_revision', 'Revision that a restart would find', (now) => now.status?.durable ?? null);
  gauge(
    'fluxgate_sync_staleness_seconds',
    'Time since the control plane vouched for the state; where it has not since the start, time since then',
    (now) => Math.max(0, (now.nowMs - (now.status?.lastContactMs ?? startedMs)) / 1000),
  );
  gauge(
    'fluxgate_sync_quarantined',
    'Entities that were held back because they cannot be understood',
    (now) => now.status?.quarantined.length ?? null,
  );
  gauge('fluxgate_keys', 'Key versions in the index', (now) => now.status?.keys ?? null);
  gauge(
    'fluxgate_rate_cells_crowded',
    'Requests whose rate was counted together with others because the memory for rates was full',
    (now) => now.crowded,
  );
  new Gauge({
    name: 'fluxgate_sync_frames',
    help: 'State frames since start, by what became of them',
    labelNames: ['outcome'],
    registers,
    collect() {
      const frames = live().status?.frames;
      if (frames === undefined) return;
      this.set({ outcome: 'applied' }, frames.applied);
      this.set({ outcome: 'refused' }, frames.refused);
    },
  });
  new Gauge({
    name: 'fluxgate_leases',
    help: 'Lease requests since start, by outcome',
    labelNames: ['outcome'],
    registers,
    collect() {
      const leases = live().status?.leases;
      if (leases === undefined) return;
      for (const outcome of ['requested', 'granted', 'exhausted', 'unavailable'] as const) this.set({ outcome }, leases[outcome]);
    },
  });

  const perListener = (name: string, help: string, value: (listener: ListenerState) => number | null) =>
    new Gauge({
      name,
      help,
      labelNames: ['listener'],
      registers,
      collect() {
        this.reset();
        for (const listener of live().listeners) {
          const now = value(listener);
          if (now !== null) this.set({ listener: listener.address }, now);
        }
      },
    });
  perListener('fluxgate_listener_open', '1 while a listener of the configuration takes connections', (listener) =>
    listener.state === 'open' ? 1 : 0,
  );
  perListener(
    'fluxgate_tls_certificate_end_seconds',
    'When the first certificate of a listener ends, seconds since 1970',
    (listener) => (listener.certificateEndsMs === null ? null : listener.certificateEndsMs / 1000),
  );

  let sets: readonly KeySetCount[] = [];
  const perSet = (name: string, help: string, value: (set: KeySetCount) => number | null) =>
    new Gauge({
      name,
      help,
      labelNames: ['issuer'],
      registers,
      collect() {
        this.reset();
        for (const set of sets) {
          const now = value(set);
          if (now !== null) this.set({ issuer: set.issuer }, now);
        }
      },
    });
  perSet('fluxgate_jwks_keys', 'Usable keys of a token issuer', (set) => set.keys);
  perSet('fluxgate_jwks_age_seconds', 'Time since the keys of a token issuer were fetched', (set) =>
    set.ageMs === null ? null : set.ageMs / 1000,
  );
  perSet('fluxgate_jwks_fetches', 'Attempts to fetch the keys of a token issuer, since the thread started', (set) => set.fetches);
  perSet('fluxgate_jwks_failures', 'Attempts that failed since the last that did not', (set) => set.failures);

  const latencies = new Map<string, { buckets: number[]; sumS: number }>();
  return {
    add(report) {
      for (const { route, status, code, count } of report.requests) requests.inc({ route, status, code }, count);
      for (const { limit, did, count } of report.losses) losses.inc({ limit, did }, count);
      bytesIn.inc(report.bytesIn);
      bytesOut.inc(report.bytesOut);
      for (const { route, buckets, sumS } of report.latencies) {
        const known = latencies.get(route);
        if (known === undefined) latencies.set(route, { buckets: [...buckets], sumS });
        else {
          for (const [i, count] of buckets.entries()) known.buckets[i] = (known.buckets[i] ?? 0) + count;
          known.sumS += sumS;
        }
      }
    },
    restarted: (thread) => restarts.inc({ thread }),
    keySets: (now) => {
      sets = now;
    },
    contentType: registry.contentType,
    text: async () => `${await registry.metrics()}${histogram(latencies)}`,
  };
}

/** Written by hand: prom-client's histogram takes single observations only, and the workers have counted already. */
function histogram(latencies: ReadonlyMap<string, { readonly buckets: readonly number[]; readonly sumS: number }>): string {
  const name = 'fluxgate_request_duration_seconds';
  const lines = [`# HELP ${name} Time from the request's head to the last byte of the answer`, `# TYPE ${name} histogram`];
  for (const [route, { buckets, sumS }] of latencies) {
    const label = `route="${route.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
    let sum = 0;
    for (const [i, bound] of [...LATENCY_BOUNDS_S, '+Inf'].entries()) {
      sum += buckets[i] ?? 0;
      lines.push(`${name}_bucket{le="${bound}",${label}} ${sum}`);
    }
    lines.push(`${name}_sum{${label}} ${sumS}`, `${name}_count{${label}} ${sum}`);
  }
  return `${lines.join('\n')}\n`;
}
