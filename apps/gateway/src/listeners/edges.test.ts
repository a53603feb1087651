import { randomFillSync } from 'node:crypto';
import {
  type CorsSpec,
  compilePlan,
  DEFAULT_UPSTREAM,
  EMPTY_SETTINGS,
  PLAIN_ROUTE,
  type RequestChanges,
  type RouteSpec,
  type Settings,
} from '@fluxgate/policy';
import { afterEach, expect, test } from '@jest/globals';
import { RawClient, say } from '../http/testing/raw-client.ts';
import { field, RecordingBackend } from '../http/testing/recording-backend.ts';
import { createWire, type WireEngine } from '../http/wire.ts';
import { createPipeline } from '../pipeline/decide.ts';
import { FakeCounters, FakeLeases } from '../pipeline/fakes.ts';
import { UsageBook } from '../pipeline/usageBook.ts';

/** The wire and the pipeline together, on real sockets: what a client and an upstream see of the edges of a route. */

interface Gateway {
  readonly port: number;
  readonly backend: RecordingBackend;
  readonly wire: WireEngine;
}
let open: Gateway[] = [];
afterEach(async () => {
  for (const one of open) {
    await one.wire.drain(0);
    await one.backend.close();
  }
  open = [];
});

const route = (prefix: string, change: Partial<RouteSpec>): RouteSpec => ({
  ...PLAIN_ROUTE,
  name: prefix,
  prefix,
  host: null,
  methods: null,
  upstream: { name: 'all' },
  auth: 'none',
  middleware: [],
  labels: {},
  owner: null,
  ...change,
});

async function start(routes: readonly RouteSpec[], settings: Partial<Settings> = {}): Promise<Gateway> {
  const backend = await RecordingBackend.start();
  const plan = compilePlan({
    settings: { ...EMPTY_SETTINGS, ...settings },
    upstreams: [{ ...DEFAULT_UPSTREAM, name: 'all', targets: [{ url: `http://127.0.0.1:${backend.port}`, weight: 1 }] }],
    tiers: [],
    routes,
  });
  const leases = new FakeLeases();
  const pipeline = createPipeline({
    realm: 'live',
    counters: new FakeCounters(),
    leases,
    leaseClient: leases,
    usage: new UsageBook(),
    now: () => Date.now(),
    staleAfterMs: null,
    onLoss: () => {},
  });
  pipeline.setPlan(plan);
  const wire = createWire({
    plan,
    decide: pipeline.decide,
    answerRefusal: pipeline.answerRefusal,
    record: () => {},
    random: randomFillSync,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  });
  const gateway = { port: await wire.listen(0, '127.0.0.1'), backend, wire };
  open.push(gateway);
  return gateway;
}

const request: RequestChanges = { set: {}, add: {}, remove: [], stripPrefix: false, rewritePrefix: null, host: 'preserve' };
const cors: CorsSpec = {
  origins: ['https://a.test'],
  methods: null,
  headers: null,
  expose: ['ETag'],
  credentials: false,
  maxAgeMs: 60_000,
};
const get = (target: string, fields = ''): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`;
const post = (target: string, fields: string, body: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n${body}`;
const values = (text: string, name: string): string[] =>
  [...text.split('\r\n\r\n')[0]!.matchAll(new RegExp(`^${name}: (.*)$`, 'gim'))].map(([, value = '']) => value.trim());

test('a client sees what the gateway says of CORS, once, and nothing of what the upstream says', async () => {
  const { port, backend } = await start([route('/', { cors })]);
  backend.reply = () =>
    'HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\naccess_control_allow_credentials: true\r\nAccess-Control-Allow-Credentials: true\r\nVary: Accept\r\nContent-Length: 2\r\n\r\nok';
  const page = await say(port, get('/x', 'Origin: https://a.test\r\n'));
  expect(values(page.text, 'access-control-allow-origin')).toEqual(['https://a.test']);
  expect(values(page.text, 'access-control-expose-headers')).toEqual(['ETag']);
  expect(values(page.text, 'vary')).toEqual(['Accept', 'Origin']);
  const stranger = await say(port, get('/x', 'Origin: https://evil.test\r\n'));
  expect(stranger.text).not.toMatch(/access.control/i);
  expect(values(stranger.text, 'vary')).toEqual(['Accept', 'Origin']);
});

test('a page reads the refusals that the wire itself finds, too', async () => {
  const { port, backend } = await start([route('/', { cors })]);
  backend.reply = () => 'nonsense\r\n\r\n';
  const answer = await say(port, get('/x', 'Origin: https://a.test\r\n'));
  expect(answer.statuses).toEqual([502]);
  expect(values(answer.text, 'access-control-allow-origin')).toEqual(['https://a.test']);
});

test('a preflight is answered on a connection that goes on, and the upstream never hears of it', async () => {
  const { port, backend } = await start([route('/', { cors })]);
  const preflight = 'OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: PUT\r\n\r\n';
  const client = await new RawClient(port).send(preflight + get('/y')).answers(2);
  client.close();
  expect(client.statuses).toEqual([204, 200]);
  expect(values(client.text, 'content-length')).toEqual([]);
  expect(backend.seen.map((one) => one.target)).toEqual(['/y']);
});

test('request headers are set, added and removed in every spelling, and nothing of the client stands beside what is set', async () => {
  const change = { ...request, set: { 'X-Api-Version': '2' }, add: { 'X-Tag': 'gateway' }, remove: ['Cookie', 'X-Debug'] };
  const { port, backend } = await start([route('/', { request: change })]);
  await say(
    port,
    get(
      '/x',
      'x-api-version: 1\r\nX_Api_Version: 1\r\nX-Tag: client\r\nCookie: a=b\r\nX_debug: 1\r\nX-Debug: 1\r\nX-Kept: 1\r\n',
    ),
  );
  const headers = backend.seen[0]!.headers.filter(([name]) => /^(x.api|x.tag|x.debug|x.kept|cookie)/.test(name));
  expect(headers).toEqual([
    ['x-tag', 'client'],
    ['x-kept', '1'],
    ['x-api-version', '2'],
    ['x-tag', 'gateway'],
  ]);
});

test('the prefix is cut off and the Host is the one that the route names, with the query as it came', async () => {
  const { port, backend } = await start([
    route('/api', { request: { ...request, stripPrefix: true, host: 'orders.internal' } }),
    route('/old', { request: { ...request, rewritePrefix: '/v2', host: 'upstream' } }),
  ]);
  await say(port, get('/api/orders/%7E7?x=%2f'));
  await say(port, get('/old'));
  expect(backend.seen.map((one) => [one.target, field(one, 'host'), field(one, 'x-forwarded-prefix')])).toEqual([
    ['/orders/~7?x=%2f', 'orders.internal', '/api'],
    ['/v2', `127.0.0.1:${backend.port}`, '/old'],
  ]);
});

test('response headers are set, added and removed', async () => {
  const response = { set: { 'Cache-Control': 'no-store' }, add: { Link: '</b>' }, remove: ['Server', 'X-Powered-By'] };
  const { port, backend } = await start([route('/', { response })]);
  backend.reply = () =>
    'HTTP/1.1 200 OK\r\nServer: x\r\nx-powered-by: y\r\nCache-Control: public\r\nLink: </a>\r\nContent-Length: 2\r\n\r\nok';
  const { text } = await say(port, get('/x'));
  expect(text).not.toMatch(/server:|powered/i);
  expect(values(text, 'cache-control')).toEqual(['no-store']);
  expect(values(text, 'link')).toEqual(['</a>', '</b>']);
  expect(text.endsWith('\r\n\r\nok')).toBe(true);
});

test('a body that announces too much is refused before anything is forwarded, with Expect before any 100', async () => {
  const { port, backend } = await start([route('/', { bodyMaxBytes: 10 }), route('/large', { bodyMaxBytes: 100 })]);
  expect((await say(port, post('/x', 'Content-Length: 11\r\n', 'x'.repeat(11)))).statuses).toEqual([413]);
  const waiting = await say(port, post('/x', 'Content-Length: 11\r\nExpect: 100-continue\r\n', ''));
  expect([waiting.statuses, waiting.text.includes(' 100 ')]).toEqual([[413], false]);
  expect((await say(port, post('/x', 'Content-Length: 10\r\n', 'x'.repeat(10)))).statuses).toEqual([200]);
  expect((await say(port, post('/large', 'Content-Length: 100\r\n', 'x'.repeat(100)))).statuses).toEqual([200]);
  expect(backend.seen.map((one) => one.body.length)).toEqual([10, 100]);
});

test('a route may take more than the realm, and the realm bounds the routes that say nothing', async () => {
  const limits = { address: null, bodyBytes: 10, headBytes: null };
  const { port } = await start([route('/', {}), route('/large', { bodyMaxBytes: 100 })], { limits });
  expect((await say(port, post('/x', 'Content-Length: 11\r\n', 'x'.repeat(11)))).statuses).toEqual([413]);
  expect((await say(port, post('/large', 'Content-Length: 100\r\n', 'x'.repeat(100)))).statuses).toEqual([200]);
  expect((await say(port, post('/large', 'Content-Length: 101\r\n', 'x'.repeat(101)))).statuses).toEqual([413]);
});

test('a chunked body is stopped where it grows too large: 413, the connection ends, and the upstream sees no whole request', async () => {
  const { port, backend } = await start([route('/', { bodyMaxBytes: 10 })]);
  const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;
  const client = new RawClient(port).send(post('/x', 'Transfer-Encoding: chunked\r\n', chunk(8)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.send(`${chunk(8)}0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n`);
  await client.end();
  expect(client.statuses).toEqual([413]);
  expect([backend.seen, backend.invalid]).toEqual([[], []]);
});

const handshake =
  'GET /x HTTP/1.1\r\nHost: a\r\nOrigin: https://a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nServer: x\r\nAccess-Control-Allow-Origin: *\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

test('a stream ends after the silence, and the life, that its route allows', async () => {
  const { port, backend } = await start([
    route('/', { websocket: { idleMs: 200, lifetimeMs: 60_000 } }),
    route('/brief', { websocket: { idleMs: 60_000, lifetimeMs: 300 } }),
  ]);
  backend.reply = () => switching;
  for (const path of ['/x', '/brief']) {
    const begun = performance.now();
    const client = new RawClient(port).send(handshake.replace('/x', path));
    await client.end(2000);
    expect(client.text).toContain('101 Switching Protocols');
    expect(performance.now() - begun).toBeGreaterThan(150);
  }
});

test('what a route changes in answers is changed in the answer to a handshake, too', async () => {
  const response = { set: {}, add: { 'X-Added': '1' }, remove: ['Server'] };
  const { port, backend } = await start([route('/', { cors, response })]);
  backend.reply = () => switching;
  const client = await new RawClient(port).send(handshake).until((one) => one.text.includes('\r\n\r\n'));
  client.close();
  expect(values(client.text, 'access-control-allow-origin')).toEqual(['https://a.test']);
  expect(values(client.text, 'server')).toEqual([]);
  expect(values(client.text, 'x-added')).toEqual(['1']);
  expect(values(client.text, 'sec-websocket-accept')).toEqual(['s3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
});

test('a head that is larger than the realm allows is refused, and a smaller one passes', async () => {
  const { port } = await start([route('/', {})], { limits: { address: null, bodyBytes: null, headBytes: 1024 } });
  expect((await say(port, get('/x', `X: ${'y'.repeat(900)}\r\n`))).statuses).toEqual([200]);
  expect((await say(port, get('/x', `X: ${'y'.repeat(1100)}\r\n`))).statuses).toEqual([431]);
});

test('an address that asks too often gets 429 with Retry-After on the wire, and others go on', async () => {
  const limits = { address: { rate: { limit: 1, perMs: 60_000 }, burst: 2 }, bodyBytes: null, headBytes: null };
  const { port, backend } = await start([route('/', {})], { limits, trustedProxies: ['127.0.0.1/32'] });
  const from = (client: string): string => get('/x', `X-Forwarded-For: ${client}\r\n`);
  const client = await new RawClient(port).send(from('192.0.2.1').repeat(3) + from('192.0.2.2')).answers(4);
  client.close();
  expect(client.statuses).toEqual([200, 200, 429, 200]);
  expect(client.text).toMatch(/Retry-After: (59|60)\r\n/);
  expect(backend.seen).toHaveLength(3);
});
