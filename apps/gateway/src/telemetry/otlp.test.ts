import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { testKey } from '../pipeline/fakes.ts';
import { SpanExporter } from './otlp.ts';
import { readOtlpEndpoint, readOtlpHeaders } from './otlpSettings.ts';
import { recorded, refusal } from './recordedFake.ts';
import { spansOf, splitAuthority } from './spans.ts';

interface Value {
  readonly stringValue?: string;
  readonly intValue?: string;
}
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly flags: number;
  readonly attributes: readonly { readonly key: string; readonly value: Value }[];
  readonly events?: readonly { readonly timeUnixNano: string; readonly name: string }[];
  readonly status?: { readonly code: number };
}
interface TracesData {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: Value }[] };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string; readonly version: string };
      readonly spans: readonly Span[];
    }[];
  }[];
}

let collector: Server;
let taken: { url: string; headers: IncomingHttpHeaders; body: TracesData }[];
let answer: (response: ServerResponse) => void;
let exporters: SpanExporter[];
let exported: number;
let dropped: Record<string, number>;
let states: (string | null)[];

beforeEach(async () => {
  taken = [];
  exporters = [];
  exported = 0;
  dropped = {};
  states = [];
  answer = (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');
  collector = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      taken.push({ url: request.url ?? '', headers: request.headers, body: JSON.parse(text) as TracesData });
      answer(response);
    });
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
});
afterEach(async () => {
  await Promise.all(exporters.map((one) => one.stop(0)));
  collector.closeAllConnections();
  collector.close();
});

function exporterTo(port: number): SpanExporter {
  const endpoint = readOtlpEndpoint(`http://127.0.0.1:${port}`);
  if (!('value' in endpoint)) throw new Error(endpoint.why);
  const exporter = new SpanExporter({
    target: { url: endpoint.value, headers: { authorization: 'Bearer collector-token' } },
    resource: { 'service.name': 'fluxgate-gateway', 'service.instance.id': 'boot "1"' },
    version: '1.2.3',
    nowMs: Date.now,
    after: (ms, run) => setTimeout(run, ms / 100),
    random: () => 0.5,
    onExported: (spans) => {
      exported += spans;
    },
    onDropped: (spans, where) => {
      dropped[where] = (dropped[where] ?? 0) + spans;
    },
    onState: (fault) => states.push(fault),
  });
  exporters.push(exporter);
  return exporter;
}
const port = (): number => (collector.address() as AddressInfo).port;
const pair = (over = {}, overFacts = {}) => {
  const one = recorded(over, overFacts);
  const text = `${spansOf(one, one.facts!, '00f067aa0ba902b7')},`;
  return { text, bytes: Buffer.from(text), count: 2 };
};
async function until(holds: () => boolean): Promise<void> {
  const endMs = Date.now() + 5000;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`still not: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const valuesOf = (span: { readonly attributes: Span['attributes'] }): Record<string, string | undefined> =>
  Object.fromEntries(span.attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));

test('a collector gets a server span and the client span below it, in the fields of the OTLP protocol', async () => {
  exporterTo(port()).offer(pair({}, { parentSpan: 'c'.repeat(16), query: 'api_key=secret', host: 'shop.test' }));
  await until(() => exported === 2);
  const [request] = taken;
  expect(request).toMatchObject({
    url: '/v1/traces',
    headers: { 'content-type': 'application/json', authorization: 'Bearer collector-token', 'user-agent': 'fluxgate/1.2.3' },
  });
  const { resource, scopeSpans } = request!.body.resourceSpans[0]!;
  expect(valuesOf(resource)).toEqual({ 'service.name': 'fluxgate-gateway', 'service.instance.id': 'boot "1"' });
  expect(scopeSpans[0]!.scope).toEqual({ name: 'fluxgate', version: '1.2.3' });
  const [server, client] = scopeSpans[0]!.spans;
  const facts = recorded().facts!;
  const micros = facts.arrivedMs * 1000;
  expect(server).toMatchObject({
    traceId: facts.traceId,
    spanId: '00f067aa0ba902b7',
    parentSpanId: 'c'.repeat(16),
    kind: 2,
    flags: 0x301,
    startTimeUnixNano: `${micros}000`,
    endTimeUnixNano: `${micros + 10_000}000`,
  });
  expect(client).toMatchObject({
    traceId: facts.traceId,
    spanId: 'b7ad6b7169203331',
    parentSpanId: '00f067aa0ba902b7',
    kind: 3,
    startTimeUnixNano: `${micros + 1500}000`,
    endTimeUnixNano: `${micros + 9500}000`,
    events: [{ timeUnixNano: `${micros + 8250}000`, name: 'first byte' }],
  });
  expect(valuesOf(server!)).toMatchObject({
    'http.request.method': 'GET',
    'url.path': '/v1/things',
    'url.scheme': 'http',
    'server.address': 'shop.test',
    'client.address': facts.clientText,
    'http.response.status_code': '200',
  });
  expect(valuesOf(client!)).toMatchObject({ 'server.address': '10.0.0.7', 'server.port': '9000' });
  expect(JSON.stringify(request!.body)).not.toContain('secret');
});

test('only what is the fault of the server marks a server span as an error; an upstream that failed marks its client span', () => {
  const spans = (over: Parameters<typeof recorded>[0]): Span[] => JSON.parse(`[${pair(over).text.slice(0, -1)}]`) as Span[];
  const [refused] = spans({ decision: refusal(), status: 429, handedMs: 0 });
  expect(refused!.status).toBeUndefined();
  expect(valuesOf(refused!)).toMatchObject({ 'fluxgate.code': 'rate_limited', 'http.response.status_code': '429' });
  const [server, client] = spans({
    decision: refusal({ code: 'upstream_timeout' }),
    status: 504,
    firstByteMs: 0,
    upstreamEndMs: 0,
  });
  expect([server!.status, client!.status]).toEqual([{ code: 2 }, { code: 2 }]);
  expect([valuesOf(server!)['error.type'], valuesOf(client!)['error.type']]).toEqual(['upstream_timeout', 'upstream_timeout']);
  expect(BigInt(client!.endTimeUnixNano)).toBe(BigInt(server!.endTimeUnixNano));
});

test('a span holds neither key nor token nor a method that somebody made up', () => {
  const key = testKey('victim');
  const text = pair({}, { path: `/x/${key.text}`, method: key.text, host: key.text, query: key.text }).text;
  expect(text).not.toContain(key.secret.slice(0, 12));
  const [server] = JSON.parse(`[${text.slice(0, -1)}]`) as Span[];
  expect([server!.name, valuesOf(server!)['http.request.method']]).toEqual(['HTTP', '_OTHER']);
});

test('a collector that is down costs a bounded queue, counted drops and one line in the log', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port: nobody } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  const exporter = exporterTo(nobody);
  const big = { bytes: Buffer.from(`${'x'.repeat(500_000)},`), count: 10 };
  const startedMs = performance.now();
  for (let i = 0; i < 100; i++) exporter.offer(big);
  expect(performance.now() - startedMs).toBeLessThan(500);
  expect(dropped['queue']).toBe(840);
  await until(() => (dropped['collector'] ?? 0) + dropped['queue']! === 1000);
  expect(exported).toBe(0);
  expect(states).toEqual(['ECONNREFUSED']);
});

test('a collector that is busy is asked again, one that says no is not, and what it rejects is counted', async () => {
  const answers = [
    (response: ServerResponse) => response.writeHead(503, { 'retry-after': '1' }).end(),
    (response: ServerResponse) => response.writeHead(200).end('{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}'),
    (response: ServerResponse) => response.writeHead(400).end('{}'),
    (response: ServerResponse) => response.writeHead(200).end(),
  ];
  answer = (response) => void answers.shift()!(response);
  const exporter = exporterTo(port());
  exporter.offer(pair());
  await until(() => exported === 1);
  expect(dropped).toEqual({ collector: 1 });
  exporter.offer(pair());
  await until(() => dropped['collector'] === 3);
  exporter.offer(pair());
  await until(() => exported === 3);
  expect(taken).toHaveLength(4);
  expect(states).toEqual(['status 503', null, 'status 400', null]);
});

test('what has gathered at a stop is still sent', async () => {
  const exporter = exporterTo(port());
  for (let i = 0; i < 5; i++) exporter.offer(pair());
  await exporter.stop(100_000);
  expect(exported).toBe(10);
});

test('the endpoint is a base URL without secrets, and headers are told wrong by line, never by content', () => {
  const value = (text: string) => {
    const read = readOtlpEndpoint(text);
    return 'value' in read ? read.value : read.why;
  };
  expect(value('http://127.0.0.1:4318')).toBe('http://127.0.0.1:4318/v1/traces');
  expect(value('https://otlp.test/base/')).toBe('https://otlp.test/base/v1/traces');
  expect(value('https://otlp.test/v1/traces')).toBe('https://otlp.test/v1/traces');
  for (const bad of ['grpc://x', 'x', 'https://u:p@x', 'https://x?key=1']) expect(value(bad)).toMatch(/^(it is|the URL)/);
  expect(readOtlpHeaders('# a\nAuthorization: Bearer abc\n\nx-tenant:  7 \n')).toEqual({
    value: { authorization: 'Bearer abc', 'x-tenant': '7' },
  });
  const wrong = readOtlpHeaders('ok: 1\nhunter2');
  expect(wrong).toMatchObject({ why: 'line 2 is not a header' });
  expect(JSON.stringify(wrong)).not.toContain('hunter2');
  expect([splitAuthority('[::1]:80'), splitAuthority('a.test')]).toEqual([
    { host: '::1', port: 80 },
    { host: 'a.test', port: null },
  ]);
});
