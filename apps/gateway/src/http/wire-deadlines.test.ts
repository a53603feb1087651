import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RawClient, say } from './testing/raw-client.ts';
import { answerOf, startTestWire, type TestWire } from './testing/test-wire.ts';

let wire: TestWire;
beforeAll(async () => {
  wire = await startTestWire({
    limits: {
      headMs: 150,
      keepAliveMs: 200,
      bodyGapMs: 150,
      bodyBytesPerSecond: 1000,
      lingerMs: 100,
      sendStallMs: 200,
      decideMs: 150,
    },
  });
});
afterAll(() => wire.stop());
beforeEach(() => {
  wire.backend.reset();
  wire.records.length = 0;
  wire.decide = null;
});

const get = (target = '/x', method = 'GET', fields = ''): string => `${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('a head that does not end in time is a 408, however steadily it drips', async () => {
  const client = new RawClient(wire.port).send('GET / HTTP/1.1\r\n');
  const drip = setInterval(() => client.send('A: b\r\n'), 40);
  await client.end(1000);
  clearInterval(drip);
  client.close();
  expect(client.statuses).toEqual([408]);
});

test('a connection that says nothing is closed without a word, new or kept', async () => {
  const fresh = await new RawClient(wire.port).end(1000);
  expect(fresh.text).toBe('');
  const kept = await new RawClient(wire.port).send(get()).answers(1);
  const length = kept.text.length;
  await kept.end(1000);
  expect(kept.text).toHaveLength(length);
});

test('a kept connection has the full time for its next head', async () => {
  const client = await new RawClient(wire.port).send(get()).answers(1);
  await pause(120);
  client.send('GET /y HTTP/1.1\r\n');
  await pause(100);
  await client.send('Host: a\r\n\r\n').answers(2);
  client.close();
  expect(client.statuses).toEqual([200, 200]);
});

test('a body that stalls is a 408 on one side and an end on the other', async () => {
  const client = await new RawClient(wire.port).send(`${get('/x', 'POST', 'Content-Length: 9\r\n')}abc`).end(1000);
  expect(client.statuses).toEqual([408]);
  expect(wire.backend.seen).toEqual([]);
  expect(wire.wire.stats().targets.every((one) => one.load === 0)).toBe(true);
});

test('a body that drips under the least speed is a 408 too', async () => {
  const client = new RawClient(wire.port).send(get('/x', 'POST', 'Content-Length: 9000\r\n'));
  const drip = setInterval(() => client.send('a'), 50);
  await client.end(2000);
  clearInterval(drip);
  client.close();
  expect(client.statuses).toEqual([408]);
});

test('a client that takes nothing is cut off', async () => {
  const big = 'z'.repeat(8 * 1024 * 1024);
  wire.backend.reply = () => `HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`;
  const client = new RawClient(wire.port);
  client.socket.pause();
  client.send(get());
  for (let i = 0; i < 40 && wire.records.length === 0; i++) await pause(50);
  expect(wire.records[0]!.fault).not.toBeNull();
  client.close();
});

test('a decision that never comes is a 500', async () => {
  wire.decide = () => new Promise(() => {});
  const client = await new RawClient(wire.port).send(get()).answers(1);
  client.close();
  expect(client.statuses).toEqual([500]);
});

test('what still comes after a refusal is thrown away until the client stops or time is up', async () => {
  wire.decide = () => answerOf('invalid_api_key');
  const client = new RawClient(wire.port).send(get('/x', 'POST', 'Content-Length: 10000000\r\n'));
  await client.answers(1);
  const more = setInterval(() => client.send('a'.repeat(1000)), 20);
  await client.until((one) => one.socket.destroyed || one.broken, 1500).catch(() => {});
  clearInterval(more);
  expect(client.statuses).toEqual([401]);
  await pause(100);
  expect(wire.wire.stats().clients).toBe(0);
  client.close();
});

test('draining answers what comes on a kept connection, closes quiet ones within a second, lets the others finish, and takes no new ones', async () => {
  const own = await startTestWire();
  const idle = await new RawClient(own.port).send(get()).answers(1);
  const kept = await new RawClient(own.port).send(get()).answers(1);
  own.backend.reply = (_request, socket) => {
    setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate'), 150);
    return null;
  };
  const busy = new RawClient(own.port).send(get());
  await pause(30);
  const drained = own.wire.drain(5000);
  await pause(50);
  kept.send(get());
  await kept.end(1000);
  expect(kept.text).toMatch(/Connection: close\r\n\r\nlate$/);
  await idle.end(1500);
  await busy.end(1000);
  expect(busy.text).toMatch(/Connection: close\r\n\r\nlate$/);
  await drained;
  const late = await say(own.port, get());
  expect(late.broken).toBe(true);
  await own.backend.close();
});
