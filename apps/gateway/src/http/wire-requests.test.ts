import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RawClient, say } from './testing/raw-client.ts';
import { field } from './testing/recording-backend.ts';
import { answerOf, startTestWire, type TestWire } from './testing/test-wire.ts';

let wire: TestWire;
beforeAll(async () => {
  wire = await startTestWire({ limits: { headBytes: 4096, targetBytes: 1024, fields: 20, bodyBytes: 5000 } });
});
afterAll(() => wire.stop());
beforeEach(() => {
  wire.backend.reset();
  wire.records.length = 0;
  wire.decide = null;
});

const HOST = 'Host: example.test\r\n';
const get = (fields = '', target = '/x', method = 'GET'): string => `${method} ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`;

const REFUSED: readonly (readonly [string, string, number])[] = [
  ['a length and a coding', get('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', '/', 'POST'), 400],
  ['a coding and a length', get('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', '/', 'POST'), 400],
  ['two lengths that differ', get('Content-Length: 3\r\nContent-Length: 4\r\n', '/', 'POST'), 400],
  ['two lengths that agree', get('Content-Length: 3\r\nContent-Length: 3\r\n', '/', 'POST'), 400],
  ['a list of lengths', get('Content-Length: 3, 3\r\n', '/', 'POST'), 400],
  ['a length with a sign', get('Content-Length: +3\r\n', '/', 'POST'), 400],
  ['a negative length', get('Content-Length: -1\r\n', '/', 'POST'), 400],
  ['a length in hexadecimal', get('Content-Length: 0x3\r\n', '/', 'POST'), 400],
  ['an empty length', get('Content-Length:\r\n', '/', 'POST'), 400],
  ['a length with a space inside', get('Content-Length: 1 2\r\n', '/', 'POST'), 400],
  ['a length beyond counting', get(`Content-Length: 1${'0'.repeat(30)}\r\n`, '/', 'POST'), 400],
  ['a body over the limit', get('Content-Length: 5001\r\n', '/', 'POST'), 413],
  ['a coding nobody knows', get('Transfer-Encoding: squeeze\r\n', '/', 'POST'), 501],
  ['a coding before chunked', get('Transfer-Encoding: gzip, chunked\r\n', '/', 'POST'), 501],
  ['chunked before a coding', get('Transfer-Encoding: chunked, gzip\r\n', '/', 'POST'), 400],
  ['chunked twice', get('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '/', 'POST'), 400],
  ['chunked with an empty neighbour', get('Transfer-Encoding: ,chunked\r\n', '/', 'POST'), 400],
  ['quoted chunked', get('Transfer-Encoding: "chunked"\r\n', '/', 'POST'), 400],
  ['an empty coding', get('Transfer-Encoding:\r\n', '/', 'POST'), 400],
  ['chunked in HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`, 400],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['a Host with a user', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
  ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['a Host with letters for a port', 'GET / HTTP/1.1\r\nHost: a:http\r\n\r\n', 400],
  ['a Host with two ports', 'GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n', 400],
  ['an unclosed address', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', 400],
  ['a target for another host', get('', 'http://other.test/'), 400],
  ['a target for another port', get('', 'http://example.test:8080/'), 400],
  ['a target with a user', `GET http://u@example.test/ HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a scheme we do not speak', get('', 'ftp://example.test/'), 400],
  ['a target without a slash', get('', 'x'), 400],
  ['a star for GET', get('', '*'), 400],
  ['a fragment', get('', '/a#b'), 400],
  ['an encoded slash', get('', '/a%2fb'), 400],
  ['an empty segment', get('', '/a//b'), 400],
  ['CONNECT', 'CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n', 400],
  ['a target too long', get('', `/${'a'.repeat(1025)}`), 414],
  ['too many fields', get('A: b\r\n'.repeat(20)), 431],
  ['a head too long', get(`A: ${'b'.repeat(5000)}\r\n`), 431],
  ['HTTP/2.0', `GET / HTTP/2.0\r\n${HOST}\r\n`, 505],
  ['another expectation', get('Expect: 200-ok\r\nContent-Length: 1\r\n', '/', 'POST'), 417],
  ['Connection that is no list of names', get('Connection: a b\r\n'), 400],
  ['three empty lines before it', `\r\n\r\n\r\n${get()}`, 400],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
];

test.each(REFUSED)('a request with %s is refused, and the connection with it', async (_what, bytes, status) => {
  const client = await say(wire.port, `${bytes}${get('', '/second')}`);
  expect(client.statuses).toEqual([status]);
  expect(client.ended).toBe(true);
  expect(client.text.toLowerCase()).toContain('connection: close');
  expect(wire.backend.seen).toEqual([]);
  expect(wire.backend.invalid).toEqual([]);
  expect(wire.records).toHaveLength(1);
});

const FORWARDED: readonly (readonly [string, string, string])[] = [
  ['an empty line before it', `\r\n${get()}`, '/x'],
  ['a lower-case method', get('', '/x', 'get'), '/x'],
  ['a method nobody registered', get('', '/x', 'M-SEARCH'), '/x'],
  ['the absolute form', get('', 'http://example.test/x?y=1'), '/x?y=1'],
  ['the absolute form with its default port', get('', 'http://EXAMPLE.test:80/x'), '/x'],
  ['the absolute form without a path', get('', 'http://example.test'), '/'],
  ['a query right after the authority', get('', 'http://example.test?q'), '/?q'],
  ['a Host with an address', 'GET /x HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n', '/x'],
  ['no Host in HTTP/1.0', 'GET /x HTTP/1.0\r\n\r\n', '/x'],
  ['dot segments', get('', '/a/../x'), '/x'],
  ['encoded letters', get('', '/%78'), '/x'],
  ['a length of zero', get('Content-Length: 0\r\n', '/x', 'POST'), '/x'],
  ['a length with leading zeros', `${get('Content-Length: 0003\r\n', '/x', 'POST')}abc`, '/x'],
  ['chunked in capitals', `${get('Transfer-Encoding: CHUNKED\r\n', '/x', 'POST')}0\r\n\r\n`, '/x'],
  ['bytes beyond ASCII in a value', get('X-Name: \xfcber\r\n'), '/x'],
];

test.each(FORWARDED)('a request with %s reaches the upstream in one clean form', async (_what, bytes, target) => {
  const client = await say(wire.port, bytes);
  expect(client.statuses).toEqual([200]);
  expect(wire.backend.invalid).toEqual([]);
  expect(wire.backend.seen.map((one) => one.target)).toEqual([target]);
});

test('OPTIONS * stays a question about the server', async () => {
  const seen: string[] = [];
  wire.decide = (facts) => {
    seen.push(`${facts.method} ${facts.path}`);
    return answerOf('no_route');
  };
  expect((await say(wire.port, get('', '*', 'OPTIONS'))).statuses).toEqual([404]);
  expect(seen).toEqual(['OPTIONS *']);
});

test('pipelined requests are answered in order, slow ones first', async () => {
  wire.backend.reply = (request, socket) => {
    const reply = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${request.target}`;
    if (request.target === '/a') setTimeout(() => socket.write(reply), 60);
    return request.target === '/a' ? null : reply;
  };
  const client = new RawClient(wire.port).send(get('', '/a') + get('', '/b') + get('', '/c', 'HEAD') + get('', '/d'));
  await client.answers(4);
  client.close();
  expect(client.text.match(/\r\n\r\n(\/\w)?/g)?.map((one) => one.trim())).toEqual(['/a', '/b', '', '/d']);
});

test('bytes inside a counted body are never a request', async () => {
  const inner = get('', '/inner');
  await say(wire.port, `${get(`Content-Length: ${inner.length}\r\n`, '/outer', 'POST')}${inner}${get('', '/next')}`);
  expect(wire.backend.seen.map((one) => one.target)).toEqual(['/outer', '/next']);
  expect(wire.backend.seen[0]!.body).toBe(inner);
});

test('a chunked body arrives decoded the same, framed anew, without its extensions', async () => {
  const chunks = '1;a=b\r\na\r\n3\r\nbcd\r\n0\r\n\r\n';
  const client = await say(wire.port, get('Transfer-Encoding: chunked\r\n', '/x', 'POST') + chunks + get('', '/y'));
  expect(client.statuses).toEqual([200, 200]);
  expect(wire.backend.invalid).toEqual([]);
  expect(wire.backend.seen.map((one) => [one.target, one.body])).toEqual([
    ['/x', 'abcd'],
    ['/y', ''],
  ]);
});

test('a malformed chunk ends the exchange on both sides', async () => {
  const client = new RawClient(wire.port).send(get('Transfer-Encoding: chunked\r\n', '/x', 'POST'));
  await new Promise((resolve) => setTimeout(resolve, 30));
  client.send('3\r\nabc\r\n').send('Z\r\n');
  await client.end();
  expect(client.statuses).toEqual([400]);
  expect(wire.backend.seen).toEqual([]);
  expect(wire.backend.invalid).toEqual([]);
});

test('a chunked body over the limit is cut off with 413', async () => {
  const client = await say(
    wire.port,
    `${get('Transfer-Encoding: chunked\r\n', '/x', 'POST')}1fff\r\n${'a'.repeat(8191)}\r\n0\r\n\r\n`,
  );
  expect(client.statuses).toEqual([413]);
  expect(wire.backend.seen).toEqual([]);
});

test('trailers travel on, but none that would decide anything', async () => {
  wire.decide = (facts) => wire.forward(facts, { set: ['X-Who', 'me'] });
  const trailers = 'X-Sum: 1\r\nContent-Length: 9\r\nAuthorization: x\r\nX-Who: you\r\nx_fluxgate_scopes: all\r\n';
  const client = await say(wire.port, `${get('Transfer-Encoding: chunked\r\n', '/x', 'POST')}0\r\n${trailers}\r\n`);
  expect(client.statuses).toEqual([200]);
  expect(wire.backend.seen[0]!.trailers).toBe('X-Sum: 1\r\n');
});

test('a trailer section that is none is refused', async () => {
  for (const trailers of ['A : b\r\n', ' A: b\r\n', ': b\r\n', 'AB\r\n']) {
    const client = await say(wire.port, `${get('Transfer-Encoding: chunked\r\n', '/x', 'POST')}0\r\n${trailers}\r\n`);
    expect(client.statuses).toEqual([400]);
  }
  expect(wire.backend.seen).toEqual([]);
});

test('HTTP/1.0 gets a counted or a closed answer, never chunks', async () => {
  wire.backend.reply = () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n';
  const client = await say(wire.port, `GET /x HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`);
  expect(client.text).toMatch(/Connection: close\r\n\r\nok$/);
  expect(client.ended).toBe(true);
});

test('HTTP/1.0 keeps the connection only if it asks to', async () => {
  expect((await say(wire.port, `GET /x HTTP/1.0\r\n${HOST}\r\n`)).ended).toBe(true);
  const kept = await say(wire.port, `GET /x HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`);
  expect(kept.ended).toBe(false);
  expect(kept.text).toContain('Connection: keep-alive\r\n');
});

test('a client that waits for 100 is told to go on once the request is admitted', async () => {
  const client = new RawClient(wire.port).send(get('Expect: 100-continue\r\nContent-Length: 3\r\n', '/x', 'POST'));
  await client.until((one) => one.text === 'HTTP/1.1 100 Continue\r\n\r\n');
  await client.send('abc').answers(1);
  client.close();
  expect(client.statuses).toEqual([200]);
  expect(field(wire.backend.seen[0], 'expect')).toBeUndefined();
  expect(wire.backend.seen[0]!.body).toBe('abc');
});

test('a client that waits for 100 and is refused keeps its body', async () => {
  wire.decide = () => answerOf('invalid_api_key');
  const client = new RawClient(wire.port).send(get('Expect: 100-continue\r\nContent-Length: 3\r\n', '/x', 'POST'));
  await client.end();
  expect(client.text).not.toContain('100 Continue');
  expect(client.statuses).toEqual([401]);
});

test('after a refusal a small body is read past, and the connection serves on', async () => {
  wire.decide = (facts) => (facts.path === '/no' ? answerOf('invalid_api_key') : wire.forward(facts));
  const client = new RawClient(wire.port).send(get('Content-Length: 5\r\n', '/no', 'POST'));
  await client.answers(1);
  client.send(`GET /${get('', '/yes')}`);
  await client.answers(2);
  client.close();
  expect(client.statuses).toEqual([401, 200]);
  expect(wire.backend.seen.map((one) => one.target)).toEqual(['/yes']);
});

test('a refused body of unknown length costs the connection', async () => {
  wire.decide = () => answerOf('invalid_api_key');
  const client = await say(wire.port, get('Transfer-Encoding: chunked\r\n', '/no', 'POST'));
  expect(client.statuses).toEqual([401]);
  expect(client.ended).toBe(true);
});

test('a decision that is awaited sees the same head as one that is not', async () => {
  wire.decide = async (facts) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return wire.forward(facts, { set: ['X-Key', facts.header('x-key') ?? 'none'] });
  };
  const one = new RawClient(wire.port).send(get('X-Key: 1\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-FluxGate-Scopes: all\r\n', '/1'));
  const two = new RawClient(wire.port)
    .send(get('X-Key: 2\r\nTransfer-Encoding: chunked\r\n', '/2', 'POST'))
    .send('1\r\na\r\n0\r\n\r\n');
  await Promise.all([one.answers(1), two.answers(1)]);
  one.close();
  two.close();
  const [first, second] = [...wire.backend.seen].sort((a, b) => a.target.localeCompare(b.target));
  expect(wire.backend.invalid).toEqual([]);
  expect(field(first, 'x-key')).toBe('1');
  expect(field(first, 'x-hop')).toBeUndefined();
  expect(field(first, 'x-fluxgate-scopes')).toBeUndefined();
  expect([field(second, 'x-key'), second!.body]).toEqual(['2', 'a']);
});

test('a decision that throws is a 500 and nothing more', async () => {
  wire.decide = () => {
    throw new Error('boom');
  };
  expect((await say(wire.port, get())).statuses).toEqual([500]);
  wire.decide = () => Promise.reject(new Error('boom'));
  expect((await say(wire.port, get())).statuses).toEqual([500]);
});

test('a client that sends FIN after its request still gets the answer', async () => {
  const client = new RawClient(wire.port).send(get());
  client.socket.end();
  await client.end();
  expect(client.statuses).toEqual([200]);
});

test('a client that leaves in the middle of its body takes the upstream request with it', async () => {
  const client = new RawClient(wire.port).send(`${get('Content-Length: 100\r\n', '/x', 'POST')}abc`);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(wire.backend.sockets.size).toBeGreaterThan(0);
  const before = wire.wire.stats().targets[0]!.connections;
  client.close();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(wire.wire.stats().targets[0]!.connections).toBe(before - 1);
  expect(wire.records.at(-1)).toMatchObject({ status: 499 });
  expect(wire.backend.seen).toEqual([]);
});
