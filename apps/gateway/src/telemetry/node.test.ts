import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeKid, encodeSecret } from '@fluxgate/policy';
import { formatNodeToken } from '@fluxgate/protocol/sync';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readConfig } from '../config.ts';
import { createLeaseMemory, createRateMemory, createReplayMemory, monotonicClock } from '../memory/index.ts';
import { testKey } from '../pipeline/fakes.ts';
import { type RunningNode, startNode } from '../supervisor.ts';

/** A whole node with threads, everything on, and a collector that keeps what it gets. */
const key = testKey('stub');
const dir = mkdtempSync(join(tmpdir(), 'fluxgate-telemetry-'));
const spans: string[] = [];
const heads: string[] = [];
let lines = '';
let collector: Server;
let upstream: Server;
let node: RunningNode;

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
async function serve(onRequest: (head: string, body: string) => void): Promise<Server> {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      onRequest(JSON.stringify(request.headers), body);
      response.setHeader('set-cookie', 'session=cookie-of-upstream').end('hello');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
async function until(holds: () => boolean): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`still not: ${holds.toString()}\n${lines}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

beforeAll(async () => {
  upstream = await serve((head) => heads.push(head));
  collector = await serve((_head, body) => spans.push(body));
  const read = readConfig(
    {
      FLUXGATE_CONTROL_PLANE: `http://127.0.0.1:${portOf(upstream)}`,
      FLUXGATE_NODE_TOKEN: formatNodeToken('live', encodeKid(randomBytes(16)), encodeSecret(randomBytes(32)), 'f'.repeat(43)),
      FLUXGATE_DATA_DIR: dir,
      FLUXGATE_GATEWAY_PORT: '0',
      FLUXGATE_STATUS_PORT: '0',
      FLUXGATE_WORKERS: '1',
      FLUXGATE_ACCESS_LOG: 'all',
      FLUXGATE_OTLP_ENDPOINT: `http://127.0.0.1:${portOf(collector)}`,
      FLUXGATE_TRACE_RATIO: '1',
      FLUXGATE_OTLP_HEADERS_FILE: 'headers',
    },
    () => 'Authorization: Bearer secret-of-collector',
  );
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  const started = await startNode({
    config: read.config,
    version: '1.0.0',
    bootId: 'boot-for-test',
    syncEntry: new URL('../worker/test-threads/sync-stub.ts', import.meta.url),
    workerEntry: new URL('../worker/thread.ts', import.meta.url),
    servicesEntry: new URL('../services/thread.ts', import.meta.url),
    leases: createLeaseMemory([3, 4], monotonicClock()()),
    rates: createRateMemory([1, 2]),
    replays: createReplayMemory(new Uint8Array(16), 0),
    sharesPorts: true,
    nowMs: () => Date.now(),
    write: (line) => {
      lines += line;
    },
    offerLines: (bytes) => {
      lines += Buffer.from(bytes).toString('utf8');
      return true;
    },
    onFatal: (why) => {
      throw new Error(why);
    },
  });
  if ('code' in started) throw new Error(started.code);
  node = started;
  await until(() => node.readiness().workers.serving === 1);
});
afterAll(async () => {
  await node.stop('the test is over');
  for (const server of [upstream, collector]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(dir, { recursive: true, force: true });
});

test('a request is one line, one server span and one client span, tied together by their ids, and the upstream was told the same', async () => {
  const trace = 'ab'.repeat(16);
  const answer = await fetch(`http://127.0.0.1:${node.port}/closed/one`, {
    headers: { 'X-FluxGate-API-Key': key.text, traceparent: `00-${trace}-${'cd'.repeat(8)}-01`, tracestate: 'v=1' },
  });
  expect(answer.status).toBe(200);
  await until(() => spans.join('').includes(trace) && lines.includes(trace));
  const line = lines.split('\n').find((one) => one.includes(trace))!;
  const { access } = JSON.parse(line) as { access: Record<string, unknown> };
  const sent = JSON.parse(spans.find((one) => one.includes(trace))!) as {
    resourceSpans: { scopeSpans: { spans: { spanId: string; parentSpanId: string; kind: number }[] }[] }[];
  };
  const [server, client] = sent.resourceSpans[0]!.scopeSpans[0]!.spans;
  expect(access).toMatchObject({
    trace_id: trace,
    span: server!.spanId,
    principal: 'stub',
    kid: key.kid,
    route: '/closed',
    status: 200,
  });
  expect([server!.parentSpanId, client!.parentSpanId]).toEqual(['cd'.repeat(8), server!.spanId]);
  const head = JSON.parse(heads.at(-1)!) as Record<string, string>;
  expect([head['traceparent'], head['tracestate']]).toEqual([`00-${trace}-${client!.spanId}-01`, 'v=1']);
});

test('no key, token, cookie, query value or body is in any log line, span or metric, however it was sent', async () => {
  const token = `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJlYXZlc2Ryb3AifQ.${'s'.repeat(86)}`;
  const wrong = `${key.text.slice(0, -8)}AAAAAAAA`;
  const base = `http://127.0.0.1:${node.port}`;
  const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
    fetch(base + path, { method, headers, ...(method === 'POST' && { body: 'body-secret' }) }).then((one) => one.text());
  const cookie = 'session=cookie-of-client';
  await ask(`/closed/a?password=query-secret&key=${key.text}`, { 'X-FluxGate-API-Key': key.text, cookie });
  await ask(`/closed/${key.text}/x`, { 'X-FluxGate-API-Key': wrong, cookie }, 'POST');
  await ask(`/closed/${token}`, { authorization: `Bearer ${token}`, referer: `https://x/?t=${token}` });
  await ask(`/closed/${encodeURIComponent(key.text).replaceAll('_', '%5F')}`, {
    authorization: `Basic ${btoa('user:basic-secret')}`,
  });
  await ask(`/${key.text}`, {
    'user-agent': key.text,
    'x-forwarded-for': key.text,
    traceparent: key.text,
    tracestate: `k=${token}`,
  });
  await ask('/last', { 'X-FluxGate-API-Key': `${key.text}, ${key.text}` });
  await until(() => lines.includes('"path":"/last"') && spans.join('').includes('/last'));
  const metrics = await (await fetch(`http://127.0.0.1:${node.statusPort}/metrics`)).text();
  const everything = lines + spans.join('\n') + metrics;
  for (const secret of [
    key.secret.slice(0, 10),
    key.secret.slice(-10),
    'eyJh',
    's'.repeat(20),
    'cookie-of',
    'query-secret',
    'password',
    'body-secret',
    btoa('user:basic-secret'),
    'secret-of-collector',
  ])
    expect([secret, everything.includes(secret) && everything.slice(everything.indexOf(secret) - 200).slice(0, 260)]).toEqual([
      secret,
      false,
    ]);
  expect(lines).toContain(`fgk_live_${key.kid}_\\u2026`);
});

test('metrics tell of the traffic, of what is open and of the export', async () => {
  await until(() => spans.length > 0);
  const scrape = async () => (await fetch(`http://127.0.0.1:${node.statusPort}/metrics`)).text();
  let text = '';
  for (let i = 0; i < 100 && !/^fluxgate_upstream_up\{target="127\.0\.0\.1:\d+"\} 1$/m.test(text); i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    text = await scrape();
  }
  expect(text).toMatch(/^fluxgate_upstream_up\{target="127\.0\.0\.1:\d+"\} 1$/m);
  expect(text).toMatch(/^fluxgate_gateway_duration_seconds_count\{route="\/closed"\} [1-9]/m);
  expect(text).toMatch(/^fluxgate_spans_exported_total [1-9]/m);
  expect(text).toMatch(/^fluxgate_access_log_lines_total [1-9]/m);
  expect(text).toMatch(/^fluxgate_key_index_slots [1-9]/m);
});
