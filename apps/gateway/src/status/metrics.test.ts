import { expect, test } from '@jest/globals';
import { LABEL_VALUES_MAX, METRICS } from '../telemetry/metricTable.ts';
import type { WorkerGauges, WorkerReport } from '../worker/messages.ts';
import { createMetrics, type Metrics } from './metrics.ts';

const metricsOf = (): Metrics =>
  createMetrics('1.2.3', 0, () => ({
    status: null,
    workersServing: 1,
    workersWanted: 1,
    crowded: 0,
    leaseCells: { used: 3, all: 8 },
    listeners: [],
    nowMs: 5000,
  }));
const report = (route: string, over: Partial<WorkerReport> = {}): WorkerReport => ({
  requests: [{ route, status: '2xx', code: '', count: 1 }],
  latencies: [{ route, buckets: [1], sumS: 0.25, added: [0, 1], addedSumS: 0.125 }],
  losses: [],
  bytesIn: 1,
  bytesOut: 2,
  ...over,
});
const target = { authority: 'a:80', connections: 2, load: 3, healthy: true, available: true, waiting: 1, waits: 5 };
const gauges = (over: Partial<WorkerGauges> = {}): WorkerGauges => ({
  connections: 10,
  streams: 1,
  targets: [target],
  indexSlots: 64,
  ...over,
});

test('what a node exposes is exactly the table that is documented, types and all', async () => {
  const metrics = metricsOf();
  metrics.add(report('/a'));
  metrics.gauges(0, gauges());
  const types = Object.fromEntries(
    [...(await metrics.text()).matchAll(/^# TYPE (fluxgate_\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]),
  );
  expect(types).toEqual(Object.fromEntries(Object.entries(METRICS).map(([name, { type }]) => [name, type])));
});

test('the labels of every sample are those of the table', async () => {
  const metrics = metricsOf();
  metrics.add(report('/a"b', { losses: [{ limit: 'quota', did: 'deny', count: 1 }] }));
  metrics.gauges(0, gauges());
  metrics.restarted('worker');
  for (const [, name, labels] of (await metrics.text()).matchAll(/^(fluxgate_\w+?)(?:_bucket|_sum|_count)?\{(.*)\} /gm)) {
    const spec = METRICS[name as keyof typeof METRICS];
    const found = [...labels!.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map((match) => match[1]).filter((label) => label !== 'le');
    expect([name, found]).toEqual([name, [...spec.labels]]);
  }
});

test('ten thousand routes are a thousand series and one for all the others, and no request is lost', async () => {
  const metrics = metricsOf();
  for (let i = 0; i < 10 * LABEL_VALUES_MAX; i++) metrics.add(report(`/r${i}`));
  metrics.add(report('/r0'));
  const text = await metrics.text();
  expect(text.match(/^fluxgate_requests_total\{/gm)).toHaveLength(LABEL_VALUES_MAX + 1);
  expect(text).toContain(`fluxgate_requests_total{route="other",status="2xx",code=""} ${9 * LABEL_VALUES_MAX}\n`);
  expect(text).toContain('fluxgate_requests_total{route="/r0",status="2xx",code=""} 2\n');
  expect(text).toContain(`fluxgate_request_duration_seconds_count{route="other"} ${9 * LABEL_VALUES_MAX}\n`);
});

test('targets are told as all workers together see them', async () => {
  const metrics = metricsOf();
  metrics.gauges(0, gauges());
  metrics.gauges(1, gauges({ targets: [{ ...target, healthy: false, available: false }], streams: 0 }));
  let text = await metrics.text();
  for (const line of [
    'fluxgate_upstream_up{target="a:80"} 0',
    'fluxgate_upstream_ejected{target="a:80"} 1',
    'fluxgate_upstream_connections{target="a:80"} 4',
    'fluxgate_upstream_requests{target="a:80"} 6',
    'fluxgate_upstream_waiting{target="a:80"} 2',
    'fluxgate_upstream_waits_total{target="a:80"} 10',
    'fluxgate_connections 20',
    'fluxgate_streams 1',
    'fluxgate_key_index_slots 64',
    'fluxgate_lease_cells{state="used"} 3',
    'fluxgate_sync_state{state="empty"} 1',
  ])
    expect(text).toContain(`${line}\n`);
  metrics.forget(1);
  metrics.gauges(0, gauges({ targets: [{ ...target, waits: 7 }] }));
  metrics.gauges(1, gauges({ targets: [{ ...target, waits: 1 }] }));
  text = await metrics.text();
  expect(text).toContain('fluxgate_upstream_up{target="a:80"} 1\n');
  expect(text).toContain('fluxgate_upstream_waits_total{target="a:80"} 13\n');
});

test('what telemetry loses is counted by where it was lost, from the first scrape on', async () => {
  const metrics = metricsOf();
  expect(await metrics.text()).toContain('fluxgate_access_log_dropped_total{where="output"} 0\n');
  metrics.accessLines(0, 4, 'worker');
  metrics.accessLines(9, 0, 'output');
  metrics.spans(2, 0, 'collector');
  metrics.spans(0, 3, 'queue');
  const text = await metrics.text();
  for (const line of [
    'fluxgate_access_log_lines_total 9',
    'fluxgate_access_log_dropped_total{where="worker"} 4',
    'fluxgate_spans_exported_total 2',
    'fluxgate_spans_dropped_total{where="queue"} 3',
  ])
    expect(text).toContain(`${line}\n`);
});
