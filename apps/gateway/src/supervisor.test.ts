import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeKid, encodeSecret } from '@fluxgate/policy';
import { formatNodeToken } from '@fluxgate/protocol/sync';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readConfig } from './config.ts';
import { createLeaseMemory, createRateMemory, createReplayMemory, monotonicClock } from './memory/index.ts';
import { testKey } from './pipeline/fakes.ts';
import { type CannotListen, type NodeParts, type RunningNode, startNode } from './supervisor.ts';

const key = testKey('stub');
let dir: string;
let upstream: Server;
let seen: IncomingHttpHeaders[];
let slow: (() => void)[];
let lines: string[];
let nodes: RunningNode[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fluxgate-node-'));
  seen = [];
  slow = [];
  lines = [];
  nodes = [];
  upstream = createServer((request, response) => {
    seen.push(request.headers);
    if (request.url?.includes('slow')) slow.push(() => response.end('slow'));
    else response.end('hello');
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
});

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop('the test is over')));
  upstream.close();
  upstream.closeAllConnections();
  rmSync(dir, { recursive: true, force: true });
});

async function start(over: Record<string, string> = {}): Promise<RunningNode | CannotListen> {
  const read = readConfig(
    {
      FLUXGATE_CONTROL_PLANE: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      FLUXGATE_NODE_TOKEN: formatNodeToken('live', encodeKid(randomBytes(16)), encodeSecret(randomBytes(32)), 'f'.repeat(43)),
      FLUXGATE_DATA_DIR: dir,
      FLUXGATE_GATEWAY_PORT: '0',
      FLUXGATE_STATUS_PORT: '0',
      FLUXGATE_WORKERS: '2',
      FLUXGATE_DRAIN: '5s',
      ...over,
    },
    () => '',
  );
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  const parts: NodeParts = {
    config: read.config,
    version: '1.0.0',
    bootId: 'boot-for-test',
    syncEntry: new URL('./worker/test-threads/sync-stub.ts', import.meta.url),
    workerEntry: new URL('./worker/thread.ts', import.meta.url),
    servicesEntry: new URL('./services/thread.ts', import.meta.url),
    leases: createLeaseMemory([3, 4], monotonicClock()()),
    rates: createRateMemory([1, 2]),
    replays: createReplayMemory(new Uint8Array(16), 0),
    sharesPorts: true,
    nowMs: () => Date.now(),
    write: (line) => lines.push(line),
    offerLines: (bytes) => lines.push(Buffer.from(bytes).toString('utf8')) > 0,
    onFatal: (why) => {
      throw new Error(why);
    },
  };
  const node = await startNode(parts);
  if (!('code' in node)) nodes.push(node);
  return node;
}

async function started(): Promise<RunningNode> {
  const node = await start();
  if ('code' in node) throw new Error(node.code);
  await until(() => node.readiness().workers.serving === 2);
  return node;
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`still not: ${holds.toString()}\n${lines.join('')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const ask = (node: RunningNode, text: string | null, path = '/closed'): Promise<Response> =>
  fetch(`http://127.0.0.1:${node.port}${path}`, {
    headers: text === null ? {} : { 'X-FluxGate-API-Key': text, 'x-fluxgate-principal': 'admin', x_fluxgate_scopes: 'all' },
  });

test('a request with a key reaches the upstream with its true identity only, one without gets 401', async () => {
  const node = await started();
  const passed = await ask(node, key.text);
  expect([passed.status, await passed.text()]).toEqual([200, 'hello']);
  expect(seen[0]).toMatchObject({ 'x-fluxgate-principal': 'stub', 'x-fluxgate-key-id': key.kid });
  expect(JSON.stringify(seen[0])).not.toMatch(/admin|"all"/);
  expect(JSON.stringify(seen[0])).not.toContain(key.secret);
  const refused = await ask(node, null);
  const body = (await refused.json()) as { error: string; trace_id: string };
  expect([refused.status, body.error]).toEqual([401, 'invalid_api_key']);
  expect(refused.headers.get('x-fluxgate-trace-id')).toBe(body.trace_id);
  expect(seen[0]?.['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);

  await until(() => lines.some((line) => line.includes('"usage"')));
  await until(() => lines.some((line) => line.includes('"code":"invalid_api_key"')));
  const metrics = await (await fetch(`http://127.0.0.1:${node.statusPort}/metrics`)).text();
  expect(metrics).toContain('fluxgate_workers 2\n');
  expect(metrics).toContain('fluxgate_requests_total{route="/closed",status="4xx",code="invalid_api_key"} 1\n');
  expect(lines.join('')).not.toContain(key.secret);
  expect((await fetch(`http://127.0.0.1:${node.statusPort}/readyz`)).status).toBe(200);
});

test('a request whose upstream is away is recorded as what it was answered with', async () => {
  const node = await started();
  upstream.close();
  upstream.closeAllConnections();
  const answer = await ask(node, key.text);
  expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([502, 'upstream_unreachable']);
  await until(() => lines.some((line) => line.includes('"code":"upstream_unreachable"')));
  const metrics = await (await fetch(`http://127.0.0.1:${node.statusPort}/metrics`)).text();
  expect(metrics).toContain('fluxgate_requests_total{route="/closed",status="5xx",code="upstream_unreachable"} 1\n');
});

test('the sync thread may die: requests go on, and its successor serves the same workers', async () => {
  const node = await started();
  writeFileSync(join(dir, 'die'), '');
  await until(() => lines.some((line) => line.includes('the sync thread died')));
  expect((await ask(node, key.text)).status).toBe(200);
  const plans = () => lines.filter((line) => line.includes('plan applied')).length;
  await until(() => plans() === 4);
  expect((await ask(node, key.text)).status).toBe(200);
});

test('a stop lets a request in progress end and takes no new one', async () => {
  const node = await started();
  const inProgress = ask(node, key.text, '/closed/slow');
  await until(() => slow.length === 1);
  const stopped = node.stop('SIGTERM');
  nodes = [];
  await until(() => node.readiness().ready === false);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await expect(ask(node, key.text)).rejects.toThrow();
  slow[0]?.();
  expect(await (await inProgress).text()).toBe('slow');
  await stopped;
});

test('a port that is taken is told by the name of its setting', async () => {
  const other = createNetServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  expect(await start({ FLUXGATE_STATUS_PORT: String(port) })).toMatchObject({
    name: 'FLUXGATE_STATUS_PORT',
    port,
    code: 'EADDRINUSE',
  });
  expect(await start({ FLUXGATE_GATEWAY_PORT: String(port) })).toMatchObject({
    name: 'FLUXGATE_GATEWAY_PORT',
    port,
    code: 'EADDRINUSE',
  });
  other.close();
});
