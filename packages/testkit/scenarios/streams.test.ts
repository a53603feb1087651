import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Agent } from 'undici';
import { WebSocket } from 'ws';
import {
  type EchoUpstream,
  type House,
  sleep,
  startEchoUpstream,
  startHouse,
  startTestIssuer,
  type TestIssuer,
  until,
} from '../src/index.ts';

/** What is open ends with its credential: real processes, two nodes of two workers, a WebSocket echo behind them. */

let house: House;
let echo: EchoUpstream;
let issuer: TestIssuer;
const killDir = mkdtempSync(join(tmpdir(), 'fluxgate-kill-'));

const config = (over = ''): string => `
fluxgate:
  auth:
    api_key: { enabled: true }
upstreams:
  echo: { targets: ["${echo.url}"] }
---
route: /ws
upstream: echo
middleware:
  - api_key: { scopes: ["stream"] }
---
route: /drip
upstream: echo
middleware:
  - api_key: { scopes: ["stream"] }
---
route: /narrowed
upstream: echo
middleware:
  - api_key: { scopes: ["stream"] }
${over}
---
route: /brief
upstream: echo
auth: none
websocket: { idle: 1s, lifetime: 2s }
---
route: /token
upstream: echo
middleware:
  - jwt: { issuer: "${issuer.url}", audience: orders-api, jwks_uri: "${issuer.url}/jwks", clockSkewTolerance: 1s }
---
route: /counted
upstream: echo
middleware:
  - api_key: {}
`;

/** Kept outside the gateway: with this preload a worker throws when a file named after it appears. */
const killer = `
const { isMainThread, workerData } = require('node:worker_threads');
const fs = require('node:fs');
if (!isMainThread && workerData && workerData.worker !== undefined && workerData.isPortCovered !== undefined) {
  const file = ${JSON.stringify(killDir)} + '/die-' + process.env.FLUXGATE_NODE_NAME + '-' + workerData.worker;
  setInterval(() => {
    if (!fs.existsSync(file)) return;
    fs.unlinkSync(file);
    throw new Error('killed by the test');
  }, 20).unref();
}
`;

beforeAll(async () => {
  [echo, issuer] = await Promise.all([startEchoUpstream(), startTestIssuer()]);
  const preload = join(killDir, 'killer.cjs');
  writeFileSync(preload, killer);
  house = await startHouse({ nodes: 2, workers: 2, nodeEnv: { NODE_OPTIONS: `--require ${preload}`, FLUXGATE_DRAIN: '5s' } });
  await house.admin.apply(config());
}, 90_000);
afterAll(async () => {
  await house?.stop();
  await Promise.all([echo?.close(), issuer?.down()]);
  rmSync(killDir, { recursive: true, force: true });
}, 60_000);

interface Stream {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string; atMs: number }>;
  echo(text: string): Promise<string>;
}

async function open(node: number, path: string, headers: Record<string, string>): Promise<Stream> {
  const socket = new WebSocket(`${house.nodes[node]?.url.replace('http', 'ws')}${path}`, { headers });
  const closed = new Promise<{ code: number; reason: string; atMs: number }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString('utf8'), atMs: Date.now() }));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return {
    socket,
    closed,
    echo: (text) =>
      new Promise((resolve) => {
        socket.once('message', (data) => resolve(data.toString()));
        socket.send(text);
      }),
  };
}

const keyHeader = (secret: string | null | undefined): Record<string, string> => ({ 'x-fluxgate-api-key': secret ?? '' });
const generate = (name: string, over: Record<string, unknown> = {}) =>
  house.admin.generate({ name, scopes: ['stream'], ...over });

/** Streams on both nodes, spread over their workers. */
async function openMany(path: string, headers: Record<string, string>, perNode = 4): Promise<Stream[]> {
  const streams = await Promise.all([0, 1].flatMap((node) => Array.from({ length: perNode }, () => open(node, path, headers))));
  expect(await Promise.all(streams.map((one, i) => one.echo(`hello ${i}`)))).toEqual(streams.map((_one, i) => `hello ${i}`));
  return streams;
}

test('a revocation ends every stream of its key on both nodes within a second: 4401 to the client, masked to the upstream; other keys go on', async () => {
  const [mine, other] = await Promise.all([generate('streams-mine'), generate('streams-other')]);
  const streams = await openMany('/ws', keyHeader(mine.secret));
  const others = await openMany('/ws', keyHeader(other.secret), 2);
  echo.closes.length = 0;
  const revokedMs = Date.now();
  await house.admin.revoke('streams-mine', false);
  const ends = await Promise.all(streams.map((one) => one.closed));
  for (const end of ends) {
    expect(end).toMatchObject({ code: 4401, reason: 'key_revoked' });
    expect(end.atMs - revokedMs).toBeLessThan(1000);
  }
  await until('the upstream has heard it', () => echo.closes.length === streams.length);
  expect(echo.closes).toEqual(streams.map(() => ({ code: 4401, reason: 'key_revoked', masked: true })));
  expect(await Promise.all(others.map((one) => one.echo('still here')))).toEqual(others.map(() => 'still here'));
  for (const one of others) one.socket.close();
}, 40_000);

test('an answer that is still being sent is cut when its key is revoked', async () => {
  const issued = await generate('streams-drip');
  const response = await fetch(`${house.nodes[0]?.url}/drip`, { headers: keyHeader(issued.secret) });
  const reading = response.text().then(
    () => 'ended as if it were whole',
    () => 'cut',
  );
  await sleep(700);
  const revokedMs = Date.now();
  await house.admin.revoke('streams-drip', false);
  expect(await reading).toBe('cut');
  expect(Date.now() - revokedMs).toBeLessThan(1000);
}, 20_000);

test('a route that asks for more than the key has ends its streams with 4403, on both nodes', async () => {
  const issued = await generate('streams-narrow');
  const streams = await openMany('/narrowed', keyHeader(issued.secret), 2);
  const untouched = await open(0, '/ws', keyHeader(issued.secret));
  await house.admin.apply(config('  - ip_allow: ["10.9.8.0/24"]\n'));
  for (const one of streams) expect(await one.closed).toMatchObject({ code: 4403, reason: 'address_not_allowed' });
  expect(await untouched.echo('mine is another route')).toBe('mine is another route');
  untouched.socket.close();
}, 30_000);

test('a stream ends with the token that opened it, at exp and the leeway, however busy it is', async () => {
  const expS = Math.floor(Date.now() / 1000) + 2;
  const stream = await open(1, '/token', { authorization: `Bearer ${issuer.mint({ exp: expS })}` });
  const chatter = setInterval(() => stream.socket.readyState === WebSocket.OPEN && stream.socket.send('x'), 30);
  const end = await stream.closed;
  clearInterval(chatter);
  expect(end).toMatchObject({ code: 4401, reason: 'token_expired' });
  expect(end.atMs).toBeGreaterThanOrEqual((expS + 1) * 1000);
  expect(end.atMs).toBeLessThan((expS + 2) * 1000);
}, 20_000);

test('a stream ends at the end of its key', async () => {
  const issued = await generate('streams-short', { expiresInMs: 4000 });
  const stream = await open(0, '/ws', keyHeader(issued.secret));
  const end = await stream.closed;
  expect(end).toMatchObject({ code: 4401, reason: 'key_expired' });
}, 20_000);

test('idle and lifetime limits of a route are kept: 1001', async () => {
  const idle = await open(0, '/brief', {});
  const busy = await open(0, '/brief', {});
  const openedMs = Date.now();
  const chatter = setInterval(() => busy.socket.readyState === WebSocket.OPEN && busy.socket.send('x'), 100);
  expect(await idle.closed).toMatchObject({ code: 1001, reason: 'idle limit' });
  expect(Date.now() - openedMs).toBeLessThan(1800);
  expect(await busy.closed).toMatchObject({ code: 1001, reason: 'lifetime limit' });
  clearInterval(chatter);
  expect(Date.now() - openedMs).toBeGreaterThan(1800);
}, 20_000);

/** A client that tries the next node when a connection cannot be made, and never repeats a request that was sent. */
function startClient(path: string, headers: Record<string, string>, everyMs: number) {
  const agent = new Agent({ connections: 16, pipelining: 1, keepAliveTimeout: 4000 });
  const failures: string[] = [];
  const byStatus = new Map<number, number>();
  const pending = new Set<Promise<void>>();
  let turn = 0;
  const one = async (first: number): Promise<void> => {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const origin = house.nodes[(first + attempt) % 2]?.url ?? '';
      try {
        const response = await agent.request({ origin, path, method: 'POST', headers, body: 'x' });
        const body = await response.body.text();
        if (response.statusCode !== 200) failures.push(`${response.statusCode} ${body}`);
        byStatus.set(response.statusCode, (byStatus.get(response.statusCode) ?? 0) + 1);
        return;
      } catch (error) {
        const { code = '', message = '' } = error as NodeJS.ErrnoException;
        if (code === 'ECONNREFUSED' && attempt === 0) continue;
        failures.push(`${code} ${message}`);
        return;
      }
    }
  };
  const timer = setInterval(() => {
    turn += 1;
    const request = one(turn).finally(() => pending.delete(request));
    pending.add(request);
  }, everyMs);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(pending);
      await agent.close();
      return { failures, byStatus, sent: turn };
    },
  };
}

test('a rolling restart of both nodes fails no request of a client that retries connects only; streams hear 1012', async () => {
  const issued = await generate('streams-rolling');
  const client = startClient('/counted', keyHeader(issued.secret), 10);
  await sleep(500);
  for (const node of [0, 1]) {
    const stream = await open(node, '/ws', keyHeader(issued.secret));
    house.nodes[node]?.process.signal('SIGTERM');
    expect(await stream.closed).toMatchObject({ code: 1012, reason: 'service restart' });
    expect(await house.nodes[node]?.process.exited).toEqual({ code: 0, signal: null });
    await house.restartNode(node);
    await sleep(300);
  }
  const report = await client.stop();
  expect(report.failures).toEqual([]);
  expect(report.byStatus).toEqual(new Map([[200, report.sent]]));
}, 60_000);

test('a worker that dies under load takes only its own connections along: its sister goes on, a successor comes, the quota stays exact', async () => {
  const limit = 300;
  const issued = await generate('streams-killed', { quota: { limit, window: 'day', zone: 'UTC' } });
  const streams = await Promise.all(Array.from({ length: 12 }, () => open(0, '/ws', keyHeader(issued.secret))));
  const lost = new Set<Stream>();
  for (const one of streams) void one.closed.then(() => lost.add(one));
  const metrics = async (): Promise<string> => (await fetch(`${house.nodes[0]?.statusUrl}/metrics`)).text();
  let allowed = streams.length;
  let broken = 0;
  let limited = 0;
  let stop = false;
  const asker = async (): Promise<void> => {
    while (!stop) {
      try {
        const response = await fetch(`${house.nodes[0]?.url}/counted`, { headers: keyHeader(issued.secret) });
        await response.arrayBuffer();
        if (response.status === 200) allowed += 1;
        else if (response.status === 429) limited += 1;
      } catch {
        broken += 1;
      }
      await sleep(5);
    }
  };
  const askers = Array.from({ length: 8 }, asker);
  await sleep(300);
  writeFileSync(join(killDir, `die-${house.nodes[0]?.name}-0`), '');
  await until('the worker was replaced', async () =>
    /fluxgate_thread_restarts_total\{[^}]*worker[^}]*\} 1/.test(await metrics()),
  );
  await until('the quota is used up', () => limited > 50, { deadlineMs: 20_000 });
  stop = true;
  await Promise.all(askers);
  // Streams of the other worker were not touched.
  const left = streams.filter((one) => !lost.has(one));
  expect(left.length).toBeGreaterThan(0);
  expect(lost.size).toBeGreaterThan(0);
  expect(await Promise.all(left.map((one) => one.echo('here')))).toEqual(left.map(() => 'here'));
  // What the dead worker had taken for requests that it did not answer is spent; nothing is given twice.
  expect(allowed).toBeLessThanOrEqual(limit);
  expect(allowed + broken).toBeGreaterThanOrEqual(limit - 8);
  for (const one of left) one.socket.close();
}, 60_000);
