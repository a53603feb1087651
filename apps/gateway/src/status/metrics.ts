import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ListenerState } from '../listeners/listener.ts';
import type { KeySetCount } from '../services/messages.ts';
import type { SyncStatus } from '../sync/thread-messages.ts';
import { ADDED_BOUNDS_S, LABEL_VALUES_MAX, LATENCY_BOUNDS_S, METRICS, type MetricName, OTHER } from '../telemetry/metricTable.ts';
import type { WorkerGauges, WorkerReport } from '../worker/messages.ts';
import { Histogram } from './histogram.ts';
import { WorkerBook } from './workerBook.ts';

export interface Metrics {
  add(report: WorkerReport): void;
  /** What a worker sees now; replaces what it told before. */
  gauges(worker: number, gauges: WorkerGauges): void;
  /** The worker is no more: nothing is open in it. */
  forget(worker: number): void;
  restarted(thread: 'sync' | 'worker' | 'services'): void;
  /** Replaces what was told before. */
  keySets(sets: readonly KeySetCount[]): void;
  accessLines(written: number, dropped: number, where: 'worker' | 'output'): void;
  spans(exported: number, dropped: number, where: 'worker' | 'queue' | 'collector'): void;
  readonly contentType: string;
  text(): Promise<string>;
}

export interface Live {
  readonly status: SyncStatus | null;
  readonly workersServing: number;
  readonly workersWanted: number;
  /** Rate limits that were charged to a shared overflow cell, since start. */
  readonly crowded: number;
  readonly leaseCells: { readonly used: number; readonly all: number };
  readonly listeners: readonly ListenerState[];
  readonly nowMs: number;
}

/** So many names get a value of their own; every later one is `other`. */
function boundedLabel(): (name: string) => string {
  const known = new Set<string>();
  return (name) => {
    if (known.has(name)) return name;
    if (known.size >= LABEL_VALUES_MAX) return OTHER;
    known.add(name);
    return name;
  };
}

/** `startedMs`: when the process started. `live` is asked at each scrape. Workers report what they counted once a second; what a dead worker had reported stays counted. */
export function createMetrics(version: string, startedMs: number, live: () => Live): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const parts = (name: MetricName) => ({
    name,
    help: METRICS[name].help,
    labelNames: [...METRICS[name].labels],
    registers: [registry],
  });
  const counter = (name: MetricName) => new Counter(parts(name));
  const gauge = (name: MetricName, value: (now: Live) => number | null) =>
    new Gauge({
      ...parts(name),
      collect() {
        const now = value(live());
        if (now === null) this.reset();
        else this.set(now);
      },
    });
  /** One value per thing that there is at the moment of the scrape. */
  const each = <T>(
    name: MetricName,
    things: () => Iterable<T>,
    label: (thing: T) => string,
    value: (thing: T) => number | null,
  ) =>
    new Gauge({
      ...parts(name),
      collect() {
        this.reset();
        const key = METRICS[name].labels[0] as string;
        for (const thing of things()) {
          const now = value(thing);
          if (now !== null) this.inc({ [key]: label(thing) }, now);
        }
      },
    });

  new Gauge(parts('fluxgate_build_info')).set({ version }, 1);
  const requests = counter('fluxgate_requests_total');
  const losses = counter('fluxgate_limit_authority_losses_total');
  const bytesIn = counter('fluxgate_received_bytes_total');
  const bytesOut = counter('fluxgate_sent_bytes_total');
  const restarts = counter('fluxgate_thread_restarts_total');
  const waits = counter('fluxgate_upstream_waits_total');
  const lines = counter('fluxgate_access_log_lines_total');
  const linesDropped = counter('fluxgate_access_log_dropped_total');
  const spansExported = counter('fluxgate_spans_exported_total');
  const spansDropped = counter('fluxgate_spans_dropped_total');
  for (const where of ['worker', 'output']) linesDropped.inc({ where }, 0);
  for (const where of ['worker', 'queue', 'collector']) spansDropped.inc({ where }, 0);

  gauge('fluxgate_workers', (now) => now.workersServing);
  gauge('fluxgate_workers_wanted', (now) => now.workersWanted);
  gauge('fluxgate_sync_connected', (now) => (now.status?.connected ? 1 : 0));
  gauge('fluxgate_sync_head_revision', (now) => now.status?.head ?? null);
  gauge('fluxgate_sync_applied_revision', (now) => now.status?.applied ?? null);
  gauge('fluxgate_sync_durable_revision', (now) => now.status?.durable ?? null);
  gauge('fluxgate_sync_staleness_seconds', (now) => Math.max(0, (now.nowMs - (now.status?.lastContactMs ?? startedMs)) / 1000));
  gauge('fluxgate_sync_quarantined', (now) => now.status?.quarantined.length ?? null);
  gauge('fluxgate_keys', (now) => now.status?.keys ?? null);
  gauge('fluxgate_rate_cells_crowded', (now) => now.crowded);

  const states = ['empty', 'static', 'live'] as const;
  each(
    'fluxgate_sync_state',
    () => states,
    (state) => state,
    (state) => ((live().status?.state ?? 'empty') === state ? 1 : 0),
  );
  const entries = (counts: Readonly<Record<string, number>> | undefined) => Object.entries(counts ?? {});
  const label = ([name]: readonly [string, number]) => name;
  const value = ([, count]: readonly [string, number]) => count;
  each('fluxgate_sync_frames', () => entries(live().status?.frames), label, value);
  each('fluxgate_leases', () => entries(live().status?.leases), label, value);
  each('fluxgate_lease_cells', () => entries(live().leaseCells), label, value);

  const listener = (one: ListenerState) => one.address;
  each(
    'fluxgate_listener_open',
    () => live().listeners,
    listener,
    (one) => (one.state === 'open' ? 1 : 0),
  );
  each(
    'fluxgate_tls_certificate_end_seconds',
    () => live().listeners,
    listener,
    (one) => (one.certificateEndsMs === null ? null : one.certificateEndsMs / 1000),
  );

  let sets: readonly KeySetCount[] = [];
  const perSet = (name: MetricName, of: (set: KeySetCount) => number | null) =>
    each(
      name,
      () => sets,
      (set) => set.issuer,
      of,
    );
  perSet('fluxgate_jwks_keys', (set) => set.keys);
  perSet('fluxgate_jwks_age_seconds', (set) => (set.ageMs === null ? null : set.ageMs / 1000));
  perSet('fluxgate_jwks_fetches', (set) => set.fetches);
  perSet('fluxgate_jwks_failures', (set) => set.failures);

  const targetLabel = boundedLabel();
  const book = new WorkerBook((target, count) => waits.inc({ target: targetLabel(target) }, count));
  gauge('fluxgate_connections', () => book.sum((one) => one.connections));
  gauge('fluxgate_streams', () => book.sum((one) => one.streams));
  gauge('fluxgate_key_index_slots', () => book.most((one) => one.indexSlots));
  const perTarget = (name: MetricName, of: (target: ReturnType<WorkerBook['targets']>[number]) => number) =>
    each(
      name,
      () => book.targets(),
      (target) => targetLabel(target.authority),
      of,
    );
  perTarget('fluxgate_upstream_up', (target) => (target.up ? 1 : 0));
  perTarget('fluxgate_upstream_ejected', (target) => target.ejectedBy);
  perTarget('fluxgate_upstream_connections', (target) => target.connections);
  perTarget('fluxgate_upstream_requests', (target) => target.load);
  perTarget('fluxgate_upstream_waiting', (target) => target.waiting);

  const routeLabel = boundedLabel();
  const histogram = (name: MetricName, boundsS: readonly number[]) => new Histogram(name, METRICS[name].help, boundsS);
  const durations = histogram('fluxgate_request_duration_seconds', LATENCY_BOUNDS_S);
  const added = histogram('fluxgate_gateway_duration_seconds', ADDED_BOUNDS_S);
  return {
    add(report) {
      for (const { route, status, code, count } of report.requests)
        requests.inc({ route: routeLabel(route), status, code }, count);
      for (const { limit, did, count } of report.losses) losses.inc({ limit, did }, count);
      bytesIn.inc(report.bytesIn);
      bytesOut.inc(report.bytesOut);
      for (const one of report.latencies) {
        const route = routeLabel(one.route);
        durations.add(route, one.buckets, one.sumS);
        added.add(route, one.added, one.addedSumS);
      }
    },
    gauges: (worker, now) => book.set(worker, now),
    forget: (worker) => book.forget(worker),
    restarted: (thread) => restarts.inc({ thread }),
    keySets: (now) => {
      sets = now;
    },
    accessLines(written, dropped, where) {
      if (written > 0) lines.inc(written);
      if (dropped > 0) linesDropped.inc({ where }, dropped);
    },
    spans(exported, dropped, where) {
      if (exported > 0) spansExported.inc(exported);
      if (dropped > 0) spansDropped.inc({ where }, dropped);
    },
    contentType: registry.contentType,
    text: async () => `${await registry.metrics()}${durations.text()}${added.text()}`,
  };
}
