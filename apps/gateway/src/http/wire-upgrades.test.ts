import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RawClient, say } from './testing/raw-client.ts';
import { field } from './testing/recording-backend.ts';
import { answerOf, startTestWire, type TestWire } from './testing/test-wire.ts';
import { closeFrame, FrameTracker } from './websocket-frames.ts';

let wire: TestWire;
beforeAll(async () => {
  wire = await startTestWire({ limits: { tunnelIdleMs: 400, tunnelLifeMs: 3000 } });
});
afterAll(() => wire.stop());
beforeEach(() => {
  wire.backend.reset();
  wire.decide = null;
});

const KEY = 'AAECAwQFBgcICQoLDA0ODw==';
const accept = (key: string): string => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
const hello = (over = ''): string =>
  `GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n${over}\r\n`;
const switched = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(KEY)}\r\n\r\n`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Accepts the handshake; `heard` gathers what comes after it. */
function acceptAll(greeting = ''): { heard: string; socket: import('node:net').Socket | null } {
  const state: { heard: string; socket: import('node:net').Socket | null } = { heard: '', socket: null };
  wire.backend.reply = (_request, socket) => {
    socket.removeAllListeners('data');
    socket.on('data', (chunk) => {
      state.heard += chunk.toString('latin1');
    });
    state.socket = socket;
    return switched + greeting;
  };
  return state;
}

test('after the handshake both sides speak freely, early words included', async () => {
  const state = acceptAll('\x81\x02hi');
  const client = new RawClient(wire.port).send(`${hello()}\x81\x03abc`);
  await client.until((one) => one.text.endsWith('\x81\x02hi'));
  expect(client.text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
  client.send('\x81\x01d');
  await pause(40);
  expect(state.heard).toBe('\x81\x03abc\x81\x01d');
  expect(field(wire.backend.seen[0], 'upgrade')).toBe('websocket');
  expect(wire.wire.stats().streams).toBe(1);
  client.close();
  await pause(40);
  expect(wire.wire.stats().streams).toBe(0);
  expect(wire.wire.stats().targets[0]!.load).toBe(0);
});

test.each([401, 200, 426])('an answer of %i to a handshake opens nothing: later bytes go nowhere', async (status) => {
  const state = { heard: '' };
  wire.backend.reply = (_request, socket) => {
    socket.on('data', (chunk) => {
      state.heard += chunk.toString('latin1');
    });
    return `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`;
  };
  const client = new RawClient(wire.port).send(`${hello()}\x81\x03abc`);
  await client.answers(1);
  client.send('GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.end();
  expect(client.statuses).toEqual([status]);
  expect(state.heard).toBe('');
  expect(wire.backend.seen.map((one) => one.target)).toEqual(['/ws']);
});

test('a refused handshake never reaches the upstream, nor does what follows it', async () => {
  wire.decide = () => answerOf('invalid_api_key');
  const client = await say(wire.port, `${hello()}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
  expect(client.statuses).toEqual([401]);
  expect(wire.backend.seen).toEqual([]);
});

test.each([
  ['without a key', hello().replace(/Sec-WebSocket-Key:.*\r\n/, '')],
  ['with a short key', hello().replace(KEY, 'AAEC')],
  ['by POST', hello().replace('GET', 'POST')],
  ['with a body', hello('Content-Length: 3\r\n')],
  ['with two keys', hello(`Sec-WebSocket-Key: ${KEY}\r\n`)],
])('a handshake %s is refused', async (_what, bytes) => {
  expect((await say(wire.port, bytes)).statuses).toEqual([400]);
  expect(wire.backend.seen).toEqual([]);
});

test.each([
  [
    'to h2c',
    'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  ],
  ['that Connection does not name', hello().replace('Connection: Upgrade\r\n', '')],
  ['in HTTP/1.0', hello().replace('HTTP/1.1', 'HTTP/1.0')],
])('an upgrade %s is not passed on', async (_what, bytes) => {
  expect((await say(wire.port, bytes)).statuses).toEqual([200]);
  expect(field(wire.backend.seen[0], 'upgrade')).toBeUndefined();
  expect(field(wire.backend.seen[0], 'http2-settings')).toBeUndefined();
});

test('101 with the wrong proof is a 502', async () => {
  wire.backend.reply = () => switched.replace(accept(KEY), accept('x'));
  expect((await say(wire.port, hello())).statuses).toEqual([502]);
});

test('a stream without traffic ends', async () => {
  acceptAll();
  const client = await new RawClient(wire.port).send(hello()).end(1500);
  expect(wire.wire.stats().streams).toBe(0);
  client.close();
});

test('a condemned stream closes between frames: 4401 to the client, masked to the upstream', async () => {
  const state = acceptAll();
  wire.decide = (facts) => wire.forward(facts, { principal: 'alice' });
  const client = new RawClient(wire.port).send(hello());
  await client.until((one) => one.text.endsWith('\r\n\r\n'));
  // Both sides are inside a frame when the word comes.
  state.socket!.write(Buffer.from('\x82\x05ab', 'latin1'));
  client.send('\x82\x85\0\0\0\0ab');
  await pause(40);
  expect(wire.wire.closeStreams((stream) => stream.principal === 'bob', 4401, 'revoked')).toBe(0);
  expect(wire.wire.closeStreams((stream) => stream.principal === 'alice', 4401, 'revoked')).toBe(1);
  await pause(40);
  expect(client.text.endsWith('\x82\x05ab')).toBe(true);
  state.socket!.write(Buffer.from('cde\x82\x01f', 'latin1'));
  client.send('cde\x82\x81\0\0\0\0f');
  await client.end(1500);
  expect(client.text.endsWith(`\x82\x05abcde${closeFrame(4401, 'revoked', null).toString('latin1')}`)).toBe(true);
  expect(state.heard.startsWith('\x82\x85\0\0\0\0abcde\x88\x89')).toBe(true);
  expect(state.heard).toHaveLength('\x82\x85\0\0\0\0abcde'.length + 6 + 9);
});

test('a condemned stream whose frame never ends is cut within a second', async () => {
  const state = acceptAll();
  const client = new RawClient(wire.port).send(hello());
  await client.until((one) => one.text.endsWith('\r\n\r\n'));
  state.socket!.write(Buffer.from('\x82\x7e\xff\xffab', 'latin1'));
  await pause(30);
  wire.wire.closeStreams(() => true, 4401, 'revoked');
  await client.end(1200);
  expect(wire.wire.stats().streams).toBe(0);
});

test('a stream does not outlive the credential that opened it, however busy it is', async () => {
  const state = acceptAll();
  wire.decide = (facts) => wire.forward(facts, { kid: 'aaaaaaaaaaaa' });
  const client = new RawClient(wire.port).send(hello());
  await client.until((one) => one.text.endsWith('\r\n\r\n'));
  const chatter = setInterval(() => state.socket?.write(Buffer.from('\x81\x01x', 'latin1')), 50);
  await client.until((one) => one.text.includes('\x81\x01x'));
  expect(wire.wire.lasting.arrivals()).toHaveLength(1);
  expect(wire.wire.lasting.arrivals()).toHaveLength(0);
  for (const one of wire.wire.lasting.groups.get('aaaaaaaaaaaa') ?? [])
    one.end({ code: 4401, refusal: 'key_expired', reason: 'key_expired' });
  await client.end(1000);
  clearInterval(chatter);
  expect(client.text.endsWith(closeFrame(4401, 'key_expired', null).toString('latin1'))).toBe(true);
  expect(wire.wire.lasting.groups.size).toBe(0);
});

test('frame ends are found in frames of every length form, cut anywhere', () => {
  const frames = [
    Buffer.from([0x81, 0x00]),
    Buffer.from([0x81, 0x83, 1, 2, 3, 4, 5, 6, 7]),
    Buffer.concat([Buffer.from([0x82, 0x7e, 0x01, 0x00]), Buffer.alloc(256)]),
    Buffer.concat([Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9]), Buffer.alloc(65_536)]),
    Buffer.from([0x89, 0x00]),
  ];
  const all = Buffer.concat(frames);
  const ends = new Set<number>();
  let end = 0;
  for (const frame of frames) {
    end += frame.length;
    ends.add(end);
  }
  for (const step of [1, 2, 3, 7, 1000, all.length]) {
    const tracker = new FrameTracker();
    for (let at = 0; at < all.length; at += step) {
      const to = Math.min(at + step, all.length);
      tracker.advance(all, at, to, false);
      if (tracker.atBoundary !== ends.has(to)) throw new Error(`byte ${to} of frames cut every ${step}`);
    }
  }
  const tracker = new FrameTracker();
  expect(tracker.advance(all, 0, all.length, true)).toBe(2);
  expect(tracker.advance(all, 2, all.length, true)).toBe(11);
});
