import { DEFAULT_UPSTREAM } from '@fluxgate/policy';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RawClient, say } from './testing/raw-client.ts';
import { field } from './testing/recording-backend.ts';
import { planFor, startTestWire, type TestWire } from './testing/test-wire.ts';

let wire: TestWire;
let proxied: TestWire;
beforeAll(async () => {
  wire = await startTestWire();
  proxied = await startTestWire({ trustedProxies: ['127.0.0.0/8'] });
});
afterAll(async () => {
  await wire.stop();
  await proxied.stop();
});
beforeEach(() => {
  wire.backend.reset();
  proxied.backend.reset();
  wire.decide = null;
});

const get = (fields = '', target = '/x'): string => `GET ${target} HTTP/1.1\r\nHost: Example.test:8080\r\n${fields}\r\n`;
const sent = async (fields: string, through = wire): Promise<(name: string) => string | undefined> => {
  await say(through.port, get(fields));
  expect(through.backend.invalid).toEqual([]);
  const request = through.backend.seen.at(-1);
  return (name) => field(request, name);
};

test('hop-by-hop fields end here, and so does what Connection names', async () => {
  const has = await sent(
    'Connection: keep-alive, X-Mine ,x-other\r\nX-Mine: 1\r\nx-OTHER: 2\r\nX-Third: 3\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nProxy-Authorization: x\r\n',
  );
  for (const name of [
    'connection',
    'x-mine',
    'x-other',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'upgrade',
    'http2-settings',
    'proxy-authorization',
  ]) {
    expect([name, has(name)]).toEqual([name, undefined]);
  }
  expect(has('x-third')).toBe('3');
});

test('untouched fields travel byte for byte and in order', async () => {
  await say(wire.port, get('B: 1\r\nA:\t2 \r\nConnection: close\r\nb: 3\r\nCookie: a=b\r\nCookie: c=\xff\r\n'));
  const names = wire.backend.seen[0]!.headers.filter(([name]) => ['a', 'b', 'cookie'].includes(name));
  expect(names).toEqual([
    ['b', '1'],
    ['a', '2'],
    ['b', '3'],
    ['cookie', 'a=b'],
    ['cookie', 'c=\xff'],
  ]);
});

test('a stranger cannot say where it comes from', async () => {
  const has = await sent(
    'X-Forwarded-For: 1.2.3.4\r\nx-forwarded-proto: https\r\nX_Forwarded_Host: evil\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nX-Forwarded-Port: 1\r\n',
  );
  expect([has('x-forwarded-for'), has('x-forwarded-proto'), has('x-forwarded-host'), has('via')]).toEqual([
    '127.0.0.1',
    'http',
    'Example.test:8080',
    '1.1 fluxgate',
  ]);
  expect([has('forwarded'), has('x-real-ip'), has('x-forwarded-port'), has('x_forwarded_host')]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('a path or an address that only a proxy may rewrite is not taken from a stranger', async () => {
  const has = await sent(
    'X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX_Original_URL: /admin\r\nX-Original-URI: /admin\r\nX-Forwarded-Uri: /admin\r\nX-Forwarded-Path: /admin\r\nX-Forwarded-Method: DELETE\r\nX_HTTP_Method_Override: DELETE\r\nX-HTTP.Method: DELETE\r\nX-Method-Override: PUT\r\n',
  );
  for (const name of [
    'x-original-url',
    'x-rewrite-url',
    'x_original_url',
    'x-original-uri',
    'x-forwarded-uri',
    'x-forwarded-path',
    'x-forwarded-method',
    'x_http_method_override',
    'x-http.method',
  ])
    expect([name, has(name)]).toEqual([name, undefined]);
  expect(has('x-method-override')).toBe('PUT');
});

test('a head that began before a plan came is read by the plan that judges it: no identity header slips through', async () => {
  const late = await startTestWire();
  const client = new RawClient(late.port).send('GET /x HTTP/1.1\r\nHost: a\r\nX-User: admin\r\nX-Ok');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const plan = planFor({
    ...DEFAULT_UPSTREAM,
    name: 'u',
    targets: [{ url: `http://127.0.0.1:${late.backend.port}`, weight: 1 }],
  });
  late.wire.setPlan({ ...plan, identityHeaders: new Set([...plan.identityHeaders, 'x-user']) });
  client.send(': 1\r\n\r\n');
  await client.until(({ text }) => text.includes('HTTP/1.1 200'));
  const request = late.backend.seen.at(-1);
  expect([field(request, 'x-user'), field(request, 'x-ok')]).toEqual([undefined, '1']);
  client.socket.destroy();
  await late.stop();
});

test('a trusted proxy is believed, and its list is continued', async () => {
  let client = '';
  proxied.decide = (facts) => {
    client = `${facts.clientText} ${facts.scheme}`;
    return proxied.forward(facts);
  };
  const has = await sent(
    'X-Forwarded-For: 9.9.9.9, 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n',
    proxied,
  );
  expect(client).toBe('203.0.113.7 https');
  expect([has('x-forwarded-for'), has('x-forwarded-proto'), has('x-forwarded-host')]).toEqual([
    '9.9.9.9, 203.0.113.7, 127.0.0.1',
    'https',
    'shop.test',
  ]);
});

test('a proxy that is trusted no more is believed no more, on the connections it has, too', async () => {
  const own = await startTestWire({ trustedProxies: ['127.0.0.0/8'] });
  const ask = 'GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n';
  const client = new RawClient(own.port).send(ask);
  await client.until(({ text }) => text.includes('HTTP/1.1 200'));
  expect(field(own.backend.seen[0], 'x-forwarded-proto')).toBe('https');
  own.wire.setPlan(
    planFor({ ...DEFAULT_UPSTREAM, name: 'u', targets: [{ url: `http://127.0.0.1:${own.backend.port}`, weight: 1 }] }),
  );
  client.send(ask);
  await client.until(({ text }) => text.split('HTTP/1.1 200').length === 3);
  const second = own.backend.seen[1];
  expect([field(second, 'x-forwarded-for'), field(second, 'x-forwarded-proto')]).toEqual(['127.0.0.1', 'http']);
  client.socket.destroy();
  await own.stop();
});

test('Connection cannot take away what the gateway adds', async () => {
  wire.decide = (facts) => wire.forward(facts, { set: ['X-FluxGate-Principal', 'alice'] });
  const has = await sent('Connection: x-forwarded-for, x-fluxgate-principal, host, via, traceparent\r\n');
  expect([has('x-forwarded-for'), has('x-fluxgate-principal'), has('host'), has('via')]).toEqual([
    '127.0.0.1',
    'alice',
    'Example.test:8080',
    '1.1 fluxgate',
  ]);
  expect(has('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test('no spelling of an identity header from a client survives', async () => {
  wire.decide = (facts) =>
    wire.forward(facts, { set: ['X-FluxGate-Principal', 'alice', 'X-User', 'alice'], drop: ['x-api-key'] });
  await say(
    wire.port,
    get(
      'X-FluxGate-Principal: eve\r\nx_fluxgate_principal: eve\r\nX-FLUXGATE-NEW: eve\r\nX_User: eve\r\nx-user: eve\r\nX-Api-Key: k\r\nx_api_key: k\r\n' +
        // PHP makes `_` of dots, lighttpd of every mark.
        'X.FluxGate.Principal: eve\r\nX-FluxGate~Owner: eve\r\nx+fluxgate+any: eve\r\nX.User: eve\r\nX!API.Key: k\r\nX.Real.IP: eve\r\n',
    ),
  );
  expect(JSON.stringify(wire.backend.seen[0])).not.toMatch(/eve|"k"/);
  expect(field(wire.backend.seen[0], 'x-user')).toBe('alice');
});

test("a Host that the decision sets replaces the client's", async () => {
  wire.decide = (facts) => wire.forward(facts, { set: ['Host', 'inner.test'] });
  expect((await sent(''))('host')).toBe('inner.test');
});

test('the trace goes on if it was valid, and starts anew if it was not', async () => {
  const trace = 'a'.repeat(32);
  let traceId = '';
  wire.decide = (facts) => {
    traceId = facts.traceId;
    return wire.forward(facts);
  };
  const kept = await sent(`traceparent: 00-${trace}-${'b'.repeat(16)}-00\r\ntracestate: x=1\r\n`);
  expect(traceId).toBe(trace);
  expect(kept('traceparent')).toMatch(new RegExp(`^00-${trace}-(?!${'b'.repeat(16)})[0-9a-f]{16}-00$`));
  expect(kept('tracestate')).toBe('x=1');
  for (const bad of [
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${'b'.repeat(16)}-01`,
    `ff-${trace}-${'b'.repeat(16)}-01`,
    `00-${trace}-${'b'.repeat(16)}-01-x`,
    'x',
  ]) {
    const fresh = await sent(`traceparent: ${bad}\r\ntracestate: x=1\r\n`);
    expect(fresh('traceparent')).toMatch(new RegExp(`^00-(?!${trace})[0-9a-f]{32}-[0-9a-f]{16}-01$`));
    expect(fresh('tracestate')).toBeUndefined();
  }
});

test('facts say what stands in the head, and how often', async () => {
  const seen: unknown[] = [];
  wire.decide = (facts) => {
    seen.push(
      facts.method,
      facts.path,
      facts.query,
      facts.host,
      facts.clientText,
      facts.header('x-a'),
      facts.headerCount('x-a'),
      facts.header('x-b'),
      facts.headerCount('x-b'),
    );
    return wire.forward(facts);
  };
  await say(wire.port, get('X-A: 1\r\nx-a: 2\r\n', '/p/./q?r=s'));
  expect(seen).toEqual(['GET', '/p/q', 'r=s', 'example.test', '127.0.0.1', '1', 2, undefined, 0]);
});

test('the answer loses hop-by-hop fields, gains what the decision adds, and always has a date', async () => {
  wire.backend.reply = () =>
    'HTTP/1.1 200 Fine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nX-Keep: 1\r\nRateLimit: old\r\nProxy-Authenticate: x\r\nContent-Length: 0\r\n\r\n';
  wire.decide = (facts) => wire.forward(facts, { responseSet: ['RateLimit', 'new'] });
  const { text } = await say(wire.port, get());
  expect(text).toMatch(
    /^HTTP\/1\.1 200 Fine\r\nX-Keep: 1\r\nContent-Length: 0\r\nDate: [A-Z][a-z]{2}, [0-9]{2} .* GMT\r\nRateLimit: new\r\n\r\n$/,
  );
});
