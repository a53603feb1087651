import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import type { SyncStatus } from '../sync/thread-messages.ts';
import type { WorkerReport } from '../worker/messages.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { readiness } from './readiness.ts';
import { createStatusServer, listen } from './server.ts';

const NOW_MS = Date.UTC(2026, 10, 21);
const live: SyncStatus = {
  realm: 'live',
  state: 'live',
  connected: true,
  controlPlane: 'http://127.0.0.1:8081',
  epoch: 'e',
  head: 42,
  applied: 42,
  durable: 41,
  digest: null,
  keys: 3,
  secretsGeneration: null,
  lastContactMs: NOW_MS - 1500,
  quarantined: [],
  trouble: null,
  frames: { applied: 2, refused: 1 },
  leases: { requested: 4, granted: 3, exhausted: 1, unavailable: 0 },
};
const serving = {
  status: live,
  workersServing: 2,
  workersWanted: 2,
  listeningPort: 8080,
  listeners: [],
  draining: false,
  nowMs: NOW_MS,
};

test('a node is ready with a state and one worker, and says why when it is not', () => {
  expect(readiness(serving)).toMatchObject({
    ready: true,
    reasons: [],
    stalenessS: 1.5,
    revision: { head: 42, applied: 42, durable: 41 },
  });
  expect(readiness({ ...serving, workersServing: 0 }).reasons).toHaveLength(1);
  expect(readiness({ ...serving, status: null, workersServing: 0 }).reasons).toHaveLength(2);
  expect(readiness({ ...serving, status: { ...live, state: 'empty', trouble: 'connection refused' } }).reasons[0]).toContain(
    'connection refused',
  );
  expect(readiness({ ...serving, draining: true }).ready).toBe(false);
});

test('a control plane that is away does not take the nodes with it', () => {
  const alone = { ...live, state: 'static', connected: false, trouble: 'connection refused', lastContactMs: null } as const;
  expect(readiness({ ...serving, status: alone })).toMatchObject({
    ready: true,
    stalenessS: null,
    trouble: 'connection refused',
  });
});

const report = (count: number): WorkerReport => ({
  requests: [
    { route: '/a', status: '2xx', code: '', count },
    { route: '/a', status: '4xx', code: 'rate_limited', count: 1 },
  ],
  latencies: [{ route: '/a', buckets: [count, 1], sumS: 0.5, added: [count, 1], addedSumS: 0.1 }],
  losses: [{ limit: 'quota', did: 'deny', count: 2 }],
  bytesIn: 10,
  bytesOut: 20,
});

const listeners = [
  { address: '0.0.0.0:8443', state: 'open', why: null, certificateEndsMs: 1_800_000_000_000 },
  { address: '0.0.0.0:8444', state: 'held', why: 'file:a.pem cannot be read (ENOENT)', certificateEndsMs: null },
] as const;

test('a listener that cannot serve is told, and makes the node no less ready for the others', () => {
  expect(readiness({ ...serving, listeners })).toMatchObject({ ready: true, listeners });
});

test('what workers report adds up, in the format that Prometheus reads', async () => {
  const metrics = createMetrics('1.2.3', NOW_MS, () => ({
    status: live,
    workersServing: 2,
    workersWanted: 2,
    crowded: 0,
    leaseCells: { used: 1, all: 8 },
    listeners,
    nowMs: NOW_MS,
  }));
  metrics.add(report(3));
  metrics.add(report(4));
  const text = await metrics.text();
  for (const line of [
    'fluxgate_requests_total{route="/a",status="2xx",code=""} 7',
    'fluxgate_requests_total{route="/a",status="4xx",code="rate_limited"} 2',
    'fluxgate_limit_authority_losses_total{limit="quota",did="deny"} 4',
    'fluxgate_request_duration_seconds_bucket{le="0.0005",route="/a"} 7',
    'fluxgate_request_duration_seconds_bucket{le="+Inf",route="/a"} 9',
    'fluxgate_request_duration_seconds_count{route="/a"} 9',
    'fluxgate_sync_applied_revision 42',
    'fluxgate_sync_staleness_seconds 1.5',
    'fluxgate_keys 3',
    'fluxgate_listener_open{listener="0.0.0.0:8443"} 1',
    'fluxgate_listener_open{listener="0.0.0.0:8444"} 0',
    'fluxgate_tls_certificate_end_seconds{listener="0.0.0.0:8443"} 1800000000',
    'fluxgate_build_info{version="1.2.3"} 1',
  ])
    expect(text).toContain(`${line}\n`);
});

test('the status server answers what it has and survives what it has not', async () => {
  const metrics = createMetrics('1', NOW_MS, () => ({
    status: live,
    workersServing: 0,
    workersWanted: 2,
    crowded: 0,
    leaseCells: { used: 1, all: 8 },
    listeners: [],
    nowMs: NOW_MS,
  }));
  const server = createStatusServer({ readiness: () => readiness({ ...serving, workersServing: 0 }), metrics });
  const port = await listen(server, 0, '127.0.0.1');
  const ask = async (path: string, method = 'GET') => (await fetch(`http://127.0.0.1:${port}${path}`, { method })).status;
  expect(await ask('/livez')).toBe(200);
  expect(await ask('/readyz?verbose')).toBe(503);
  expect(await ask('/metrics')).toBe(200);
  expect(await ask('//')).toBe(404);
  expect(await ask('/livez', 'POST')).toBe(405);
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
});

test('no key survives on its way into the log, wherever it turned up', () => {
  const lines: string[] = [];
  const log = createLog(
    'info',
    (line) => lines.push(line),
    () => NOW_MS,
  );
  const secret = `${'S'.repeat(43)}000000`;
  const key = `fgk_live_7Kq2mXcT9aLb_${secret}`;
  log.info({ access: { path: `/x/${key}`, because: key } }, key);
  log.error({ error: new Error(`at ${key}`) }, 'failed');
  expect(lines.join('')).toContain('fgk_live_7Kq2mXcT9aLb');
  expect(lines.join('')).not.toContain('SSSS');
});
