import { MessageChannel } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import { facts } from '../pipeline/fakes.ts';
import type { Decision, Recorded } from '../seam.ts';
import type { FromWorker, ToWorker } from '../sync/thread-messages.ts';
import { Backoff } from './backoff.ts';
import { Meter } from './meter.ts';
import { SyncLink, usageEntries } from './syncLink.ts';

const answer = (code: 'rate_limited'): Decision => ({
  kind: 'answer',
  status: 429,
  headers: [],
  body: '',
  route: null,
  code,
  because: 'over it',
});
const exchange = (decision: Decision | null, status: number, durationMs = 1): Recorded => ({
  facts: facts({ path: '/a', query: 'api_key=secret' }),
  decision,
  status,
  upstreamTarget: null,
  upstreamSpan: '',
  startedMs: 1,
  handedMs: 0,
  firstByteMs: 0,
  upstreamEndMs: 0,
  durationMs,
  bytesIn: 1,
  bytesOut: 2,
  fault: null,
});

test('the meter counts by route, status and code, and begins anew after each report', () => {
  const meter = new Meter();
  expect(meter.take()).toBeNull();
  meter.record(exchange(null, 200, 0.4));
  meter.record(exchange(null, 200, 3));
  meter.record(exchange(answer('rate_limited'), 429));
  const report = meter.take();
  expect(report?.requests).toEqual([
    { route: '-', status: '2xx', code: '', count: 2 },
    { route: '-', status: '4xx', code: 'rate_limited', count: 1 },
  ]);
  expect(report?.latencies[0]?.buckets.slice(0, 4)).toEqual([1, 1, 0, 1]);
  expect(report?.latencies[0]?.added.at(-1)).toBe(0);
  expect(JSON.stringify(report)).not.toContain('secret');
  expect(meter.take()).toBeNull();
});

test('what the gateway added is the total without the time with the upstream', () => {
  const meter = new Meter();
  const timed = (over: Partial<Recorded>): Recorded => ({ ...exchange(null, 200, 10), startedMs: 100, ...over });
  meter.record(timed({ handedMs: 100.2, firstByteMs: 109, upstreamEndMs: 109.9 }));
  meter.record(timed({ handedMs: 101, fault: 'the upstream broke' }));
  const [latency] = meter.take()!.latencies;
  expect(latency!.sumS).toBeCloseTo(0.02);
  expect(latency!.addedSumS).toBeCloseTo(0.0003 + 0.001);
  expect(latency!.added.slice(0, 5)).toEqual([0, 0, 0, 1, 1]);
});

test('a stream that was open for hours, and what nobody could read, are counted but are no latency', () => {
  const meter = new Meter();
  meter.record(exchange(null, 101, 3_600_000));
  meter.record({ ...exchange(answer('rate_limited'), 400, 0), facts: null, startedMs: 0 });
  const report = meter.take();
  expect(report?.requests.map((one) => one.count)).toEqual([1, 1]);
  expect(report?.latencies[0]?.sumS).toBe(0);
});

async function linked(answerTo: (message: FromWorker) => ToWorker | null) {
  const { port1, port2 } = new MessageChannel();
  const heard: FromWorker[] = [];
  port2.on('message', (message: FromWorker) => {
    heard.push(message);
    const reply = answerTo(message);
    if (reply !== null) port2.postMessage(reply);
  });
  const link = new SyncLink(
    () => {},
    (run, ms) => setTimeout(run, ms),
  );
  link.attach(port1);
  return { link, heard, port2 };
}

test('requests for one lease share one question', async () => {
  const { link, heard, port2 } = await linked((m) =>
    m.t === 'lease' ? { t: 'lease-answer', id: m.id, outcome: 'granted' } : null,
  );
  expect(await Promise.all([link.request('q:1:w'), link.request('q:1:w'), link.request('q:2:w')])).toEqual([
    'granted',
    'granted',
    'granted',
  ]);
  expect(heard).toHaveLength(2);
  expect(await link.request('q:1:w')).toBe('granted');
  expect(heard).toHaveLength(3);
  port2.close();
});

test('when the sync thread goes, nobody waits for it any longer', async () => {
  const { link, port2 } = await linked(() => null);
  const asked = link.request('q:1:w');
  port2.close();
  expect(await asked).toBe('unavailable');
});

test('usage is told per key and UTC day', () => {
  const at = Date.UTC(2026, 10, 21, 23, 59, 59, 999);
  expect(
    usageEntries([{ kid: 'k', allowed: 2, refused: 1, lastUsedMs: at, lastAddress: '192.0.2.1', lastUserAgent: null }]),
  ).toEqual([
    {
      kid: 'k',
      day: '2026-11-21',
      allowed: 2,
      refused: 1,
      lastUsedS: Math.floor(at / 1000),
      lastAddress: '192.0.2.1',
      lastUserAgent: null,
    },
  ]);
});

test('restarts slow down while they fail and forget it after a healthy life', () => {
  const backoff = new Backoff(100, 1000, 30_000);
  expect([0, 0, 0, 0, 0].map((lived) => backoff.after(lived))).toEqual([100, 200, 400, 800, 1000]);
  expect(backoff.after(30_000)).toBe(100);
});
