import net from 'node:net';
import { DEFAULT_UPSTREAM } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import { RawClient, say } from './testing/raw-client.ts';
import { field, RecordingBackend } from './testing/recording-backend.ts';
import { planFor, startTestWire } from './testing/test-wire.ts';

const get = (target = '/x', method = 'GET', fields = ''): string => `${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const timeout = { connectMs: 1000, firstByteMs: 2000, idleMs: 2000, totalMs: null };
const url = (port: number): string => `http://127.0.0.1:${port}`;

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('connections are kept and used again', async () => {
  const wire = await startTestWire();
  for (let i = 0; i < 5; i++) await say(wire.port, get(), 20);
  expect(wire.backend.connections).toBe(1);
  await wire.stop();
});

test('a kept connection that turns out dead costs an idempotent request nothing', async () => {
  const wire = await startTestWire();
  let first = true;
  wire.backend.reply = (_request, socket) => {
    if (!first && wire.backend.connections === 1) {
      socket.destroy();
      return null;
    }
    first = false;
    return 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  };
  await say(wire.port, get(), 20);
  expect((await say(wire.port, get('/again'), 40)).statuses).toEqual([200]);
  expect(wire.backend.seen.map((one) => one.target)).toEqual(['/x', '/again', '/again']);
  await wire.stop();
});

test('what is said again is said to the same target, with its base path', async () => {
  const [a, b] = [await RecordingBackend.start(), await RecordingBackend.start()];
  const targets = [
    { url: `${url(a.port)}/a`, weight: 1 },
    { url: `${url(b.port)}/b`, weight: 1 },
  ];
  const wire = await startTestWire({ upstream: { targets } });
  await new RawClient(wire.port).send(get().repeat(2)).answers(2);
  for (const backend of [a, b]) {
    const first = backend.connections;
    backend.reply = (_request, socket) => {
      if (backend.connections > first) return 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
      socket.destroy();
      return null;
    };
  }
  const client = await new RawClient(wire.port).send(get('/again').repeat(2)).answers(2);
  expect(client.statuses).toEqual([200, 200]);
  expect(a.seen.map((one) => one.target)).toEqual(['/a/x', '/a/again', '/a/again']);
  expect(b.seen.map((one) => one.target)).toEqual(['/b/x', '/b/again', '/b/again']);
  await wire.stop();
  await a.close();
  await b.close();
});

test('a request that may have been acted on is never sent twice', async () => {
  const wire = await startTestWire();
  await say(wire.port, get(), 20);
  wire.backend.reply = (_request, socket) => {
    socket.destroy();
    return null;
  };
  expect((await say(wire.port, get('/pay', 'POST', 'Content-Length: 0\r\n'), 40)).statuses).toEqual([502]);
  expect(wire.backend.seen.map((one) => one.target)).toEqual(['/x', '/pay']);
  await wire.stop();
});

test('a request on a new connection is not sent again, idempotent or not', async () => {
  const wire = await startTestWire();
  wire.backend.reply = (_request, socket) => {
    socket.destroy();
    return null;
  };
  expect((await say(wire.port, get(), 40)).statuses).toEqual([502]);
  expect(wire.backend.seen).toHaveLength(1);
  await wire.stop();
});

test('what the upstream says about Keep-Alive is believed', async () => {
  const wire = await startTestWire();
  wire.backend.reply = () => 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok';
  await say(wire.port, get(), 20);
  await pause(700);
  expect(wire.wire.stats().targets[0]!.connections).toBe(0);
  await wire.stop();
});

test('a target that refuses connections is a 502, unless another one takes the request', async () => {
  const dead = await deadPort();
  const alone = await startTestWire({ upstream: { targets: [{ url: url(dead), weight: 1 }] } });
  expect((await say(alone.port, get())).statuses).toEqual([502]);
  await alone.stop();
  const backend = await RecordingBackend.start();
  const pair = await startTestWire({
    upstream: {
      targets: [
        { url: url(dead), weight: 1 },
        { url: url(backend.port), weight: 1 },
      ],
    },
  });
  for (let i = 0; i < 4; i++) expect((await say(pair.port, get('/x', 'POST'), 20)).statuses).toEqual([200]);
  await pair.stop();
  await backend.close();
});

test('a target that fails in a row is left alone, then tried again', async () => {
  const dead = await deadPort();
  const wire = await startTestWire({ upstream: { targets: [{ url: url(dead), weight: 1 }] } });
  for (let i = 0; i < 5; i++) await say(wire.port, get(), 20);
  expect(wire.wire.stats().targets[0]!.available).toBe(false);
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  await new Promise<void>((resolve) => server.listen(dead, '127.0.0.1', resolve));
  expect((await say(wire.port, get(), 20)).statuses).toEqual([502]);
  await pause(700);
  expect((await say(wire.port, get(), 20)).statuses).toEqual([200]);
  expect(wire.wire.stats().targets[0]!.available).toBe(true);
  await wire.stop();
  server.close();
});

test('weights are turns, spread over time', async () => {
  const [a, b] = [await RecordingBackend.start(), await RecordingBackend.start()];
  const wire = await startTestWire({
    upstream: {
      targets: [
        { url: url(a.port), weight: 2 },
        { url: url(b.port), weight: 1 },
      ],
    },
  });
  await new RawClient(wire.port).send(get().repeat(9)).answers(9);
  expect([a.seen.length, b.seen.length]).toEqual([6, 3]);
  await wire.stop();
  await a.close();
  await b.close();
});

test('least_requests avoids the busy target; consistent_hash stays with one', async () => {
  const [a, b] = [await RecordingBackend.start(), await RecordingBackend.start()];
  const targets = [
    { url: url(a.port), weight: 1 },
    { url: url(b.port), weight: 1 },
  ];
  a.reply = () => null;
  const least = await startTestWire({ upstream: { targets, balance: 'least_requests' } });
  const stuck = new RawClient(least.port).send(get('/stuck'));
  await pause(30);
  await new RawClient(least.port).send(get().repeat(5)).answers(5);
  expect([a.seen.length, b.seen.length]).toEqual([1, 5]);
  stuck.close();
  await least.stop();
  a.reset();
  b.reset();
  const hash = await startTestWire({ upstream: { targets, balance: 'consistent_hash' } });
  for (let i = 0; i < 4; i++) await say(hash.port, get(), 20);
  expect([a.seen.length, b.seen.length].sort()).toEqual([0, 4]);
  await hash.stop();
  await a.close();
  await b.close();
});

test('beyond the connections and the queue a request is refused with 503', async () => {
  const wire = await startTestWire({ limits: { connectionsPerTarget: 1, queuePerTarget: 1 } });
  const waiting: net.Socket[] = [];
  wire.backend.reply = (_request, socket) => {
    waiting.push(socket);
    return null;
  };
  const first = new RawClient(wire.port).send(get('/1'));
  await pause(30);
  const second = new RawClient(wire.port).send(get('/2'));
  await pause(30);
  const third = await new RawClient(wire.port).send(get('/3')).answers(1);
  expect(third.statuses).toEqual([503]);
  waiting[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await first.answers(1);
  await pause(30);
  waiting[1]!.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await second.answers(1);
  expect(wire.backend.connections).toBe(1);
  for (const client of [first, second, third]) client.close();
  await wire.stop();
});

test('a queued request that gets no connection in time is refused with 503', async () => {
  const wire = await startTestWire({
    limits: { connectionsPerTarget: 1 },
    upstream: { timeout: { ...timeout, connectMs: 200 } },
  });
  wire.backend.reply = () => null;
  const first = new RawClient(wire.port).send(get('/1'));
  await pause(30);
  const second = await new RawClient(wire.port).send(get('/2')).answers(1);
  expect(second.statuses).toEqual([503]);
  first.close();
  second.close();
  await wire.stop();
});

test('a silent upstream is a 504 after first_byte, and its connection is not kept', async () => {
  const wire = await startTestWire({ upstream: { timeout: { ...timeout, firstByteMs: 150 } } });
  wire.backend.reply = () => null;
  const client = await new RawClient(wire.port).send(get()).answers(1);
  client.close();
  expect(client.statuses).toEqual([504]);
  expect(wire.wire.stats().targets[0]!.connections).toBe(0);
  await wire.stop();
});

test('an upstream that stalls inside its body is cut off after idle', async () => {
  const wire = await startTestWire({ upstream: { timeout: { ...timeout, idleMs: 150 } } });
  wire.backend.reply = () => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc';
  const client = await new RawClient(wire.port).send(get()).end();
  expect(client.text).toMatch(/abc$/);
  expect(wire.records.at(-1)!.fault).toContain('no byte within the limit');
  await wire.stop();
});

test('an unhealthy target gets nothing while a healthy one is there, and comes back', async () => {
  const [a, b] = [await RecordingBackend.start(), await RecordingBackend.start()];
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  let sick = true;
  a.reply = (request) => (request.target === '/healthz' && sick ? 'HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n' : ok);
  const wire = await startTestWire({
    upstream: {
      targets: [
        { url: url(a.port), weight: 1 },
        { url: url(b.port), weight: 1 },
      ],
      health: { path: '/healthz', intervalMs: 60, timeoutMs: 500, healthy: 2, unhealthy: 2, expect: null },
    },
  });
  await pause(500);
  await new RawClient(wire.port).send(get().repeat(4)).answers(4);
  expect(a.seen.filter((one) => one.target === '/x')).toHaveLength(0);
  expect(field(a.seen[0], 'user-agent')).toBe('fluxgate-health');
  sick = false;
  await pause(500);
  await new RawClient(wire.port).send(get().repeat(4)).answers(4);
  expect(a.seen.filter((one) => one.target === '/x')).toHaveLength(2);
  await wire.stop();
  await a.close();
  await b.close();
});

test('a name is asked again, and connections follow it', async () => {
  const backend = await RecordingBackend.start();
  let address = '127.0.0.1';
  let asked = 0;
  const wire = await startTestWire({
    limits: { dnsTtlMs: 100 },
    upstream: { targets: [{ url: `http://backend.test:${backend.port}`, weight: 1 }] },
    resolve: async () => {
      asked++;
      return [{ address, family: 4 }];
    },
  });
  expect((await say(wire.port, get())).statuses).toEqual([200]);
  expect(asked).toBe(1);
  address = '127.0.0.2';
  await pause(900);
  expect(asked).toBeGreaterThan(1);
  expect(wire.wire.stats().targets[0]!.connections).toBe(0);
  await wire.stop();
  await backend.close();
});

test('a name without an address is a 502', async () => {
  const wire = await startTestWire({
    upstream: { targets: [{ url: 'http://nowhere.test', weight: 1 }] },
    resolve: () => Promise.reject(new Error('ENOTFOUND')),
  });
  expect((await say(wire.port, get())).statuses).toEqual([502]);
  await wire.stop();
});

test('a new plan keeps the connections of targets it still names, and lets the others go', async () => {
  const wire = await startTestWire();
  const other = await RecordingBackend.start();
  await say(wire.port, get(), 20);
  const spec = { ...DEFAULT_UPSTREAM, name: 'all', timeout } as const;
  wire.wire.setPlan(planFor({ ...spec, targets: [{ url: url(wire.backend.port), weight: 1 }] }));
  await say(wire.port, get(), 20);
  expect(wire.backend.connections).toBe(1);
  const moved = planFor({ ...spec, targets: [{ url: url(other.port), weight: 1 }] });
  wire.wire.setPlan(moved);
  wire.decide = (facts) => wire.forward(facts, { upstream: moved.routes[0]!.upstream! });
  expect((await say(wire.port, get(), 20)).statuses).toEqual([200]);
  expect(other.seen).toHaveLength(1);
  expect(wire.wire.stats().targets.map((one) => one.authority)).toEqual([`127.0.0.1:${other.port}`]);
  await wire.stop();
  await other.close();
});

test('the base path of a target comes before the canonical path', async () => {
  const backend = await RecordingBackend.start();
  const wire = await startTestWire({ upstream: { targets: [{ url: `${url(backend.port)}/base/v1`, weight: 1 }] } });
  await say(wire.port, get('/x?y'));
  expect(backend.seen[0]!.target).toBe('/base/v1/x?y');
  await wire.stop();
  await backend.close();
});
