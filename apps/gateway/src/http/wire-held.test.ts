import { afterEach, expect, test } from '@jest/globals';
import type { BodyProof } from '../seam.ts';
import { RawClient } from './testing/raw-client.ts';
import { field } from './testing/recording-backend.ts';
import { startTestWire, type TestOptions, type TestWire } from './testing/test-wire.ts';

/** Bodies that are held until they have proven to be the ones that were signed. */
let open: TestWire[] = [];
afterEach(async () => {
  for (const wire of open) await wire.stop();
  open = [];
});

const GOOD = 'hello world';
const proof = (bytesMax = 100): BodyProof => ({
  bytesMax,
  refusal: (body) => (Buffer.from(body).toString() === GOOD ? null : { code: 'signature_invalid', because: 'another body' }),
});
async function start(options: TestOptions & { held?: BodyProof } = {}): Promise<TestWire> {
  const { held = proof(), ...rest } = options;
  const wire = await startTestWire(rest);
  wire.decide = (facts) => wire.forward(facts, { held });
  open.push(wire);
  return wire;
}
const post = (fields: string, body: string, method = 'POST'): string =>
  `${method} /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The request cut into pieces, each sent on its own. */
async function drip(wire: TestWire, request: string, pieces: number): Promise<RawClient> {
  const client = new RawClient(wire.port);
  const size = Math.ceil(request.length / pieces);
  for (let at = 0; at < request.length; at += size) {
    client.send(request.slice(at, at + size));
    await pause(8);
  }
  return client.answers(1);
}

test.each([1, 2, 7, 40])('a good body in %i pieces goes on whole, counted or chunked', async (pieces) => {
  const wire = await start();
  const counted = await drip(wire, post('Content-Length: 11', GOOD), pieces);
  const chunked = await drip(
    wire,
    post('Transfer-Encoding: chunked', '5\r\nhello\r\n6\r\n world\r\n0\r\nX-Late: 1\r\n\r\n'),
    pieces,
  );
  expect([...counted.statuses, ...chunked.statuses]).toEqual([200, 200]);
  expect(wire.backend.seen.map(({ body, trailers }) => [body, trailers])).toEqual([
    [GOOD, ''],
    [GOOD, ''],
  ]);
  expect(field(wire.backend.seen[0]!, 'content-length')).toBe('11');
  expect(wire.backend.invalid).toEqual([]);
  counted.close();
  chunked.close();
});

test.each([1, 5])('a bad body in %i pieces never reaches the upstream, and the connection goes on', async (pieces) => {
  const wire = await start();
  const client = await drip(wire, post('Content-Length: 11', 'hello_world'), pieces);
  expect(client.statuses).toEqual([401]);
  expect(wire.backend.seen).toEqual([]);
  client.send(post('Content-Length: 11', GOOD));
  await client.answers(2);
  expect(client.statuses).toEqual([401, 200]);
  expect(wire.records.map(({ status }) => status)).toEqual([401, 200]);
  client.close();
});

test('a body above the bound is refused by its length, or where it becomes too long', async () => {
  const wire = await start({ held: proof(8) });
  expect((await new RawClient(wire.port).send(post('Content-Length: 11', GOOD)).answers(1)).statuses).toEqual([413]);
  const chunked = post('Transfer-Encoding: chunked', '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n');
  expect((await new RawClient(wire.port).send(chunked).answers(1)).statuses).toEqual([413]);
  expect(wire.backend.seen).toEqual([]);
});

test('a body that ends early or is malformed never reaches the upstream', async () => {
  const wire = await start();
  const gone = new RawClient(wire.port).send(post('Content-Length: 11', 'hello'));
  await pause(30);
  gone.close();
  const bad = await new RawClient(wire.port).send(post('Transfer-Encoding: chunked', '5\r\nhelloXX')).answers(1);
  expect(bad.statuses).toEqual([400]);
  await pause(30);
  expect(wire.backend.seen).toEqual([]);
  expect(wire.faults).toEqual([]);
});

test('a body that does not come has the deadlines of any other', async () => {
  const wire = await start({ limits: { bodyGapMs: 80 } });
  const client = await new RawClient(wire.port).send(post('Content-Length: 11', 'hello')).answers(1, 2000);
  expect(client.statuses).toEqual([408]);
});

test('Expect: 100-continue is answered before the body is held', async () => {
  const wire = await start();
  const client = new RawClient(wire.port).send(post('Content-Length: 11\r\nExpect: 100-continue', ''));
  await client.until(({ text }) => text.startsWith('HTTP/1.1 100'));
  client.send(GOOD);
  expect((await client.answers(1)).statuses).toEqual([200]);
  client.close();
});

test('an idempotent request whose kept connection was closed is sent again with its body', async () => {
  const wire = await start();
  const client = await new RawClient(wire.port).send(post('Content-Length: 11', GOOD, 'PUT')).answers(1);
  const { reply } = wire.backend;
  let cut = true;
  wire.backend.reply = (request, socket) => {
    if (!cut) return reply(request, socket);
    cut = false;
    socket.destroy();
    return null;
  };
  await client.send(post('Content-Length: 11', GOOD, 'PUT')).answers(2);
  expect(client.statuses).toEqual([200, 200]);
  expect(wire.backend.seen.map(({ body }) => body)).toEqual([GOOD, GOOD, GOOD]);
  client.close();
});

test('requests that were sent behind one another are judged one by one', async () => {
  const wire = await start();
  const good = post('Content-Length: 11', GOOD);
  const client = await new RawClient(wire.port).send(good + post('Content-Length: 3', 'bad') + good).answers(3);
  expect(client.statuses).toEqual([200, 401, 200]);
  client.close();
});
