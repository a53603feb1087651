import { PLAIN_ROUTE } from '@fluxgate/policy';
import { afterEach, expect, test } from '@jest/globals';
import { RawClient, say } from './testing/raw-client.ts';
import { field, RecordingBackend } from './testing/recording-backend.ts';
import { startTestWire, type TestOptions, type TestWire } from './testing/test-wire.ts';

let open: TestWire[] = [];
afterEach(async () => {
  for (const wire of open) await wire.stop();
  open = [];
});
async function start(options: TestOptions): Promise<TestWire> {
  const wire = await startTestWire(options);
  open.push(wire);
  return wire;
}

const get = (target = '/x', method = 'GET', fields = ''): string => `${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const timeout = { connectMs: 1000, firstByteMs: 2000, idleMs: 2000, totalMs: null };

test('the total limit of an upstream ends an exchange that always moves a little', async () => {
  const wire = await start({ upstream: { timeout: { ...timeout, totalMs: 300 } } });
  wire.backend.reply = (_request, socket) => {
    const drip = setInterval(() => socket.write('x'), 40);
    socket.on('close', () => clearInterval(drip));
    return 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n';
  };
  const client = await new RawClient(wire.port).send(get()).end(1500);
  expect(client.statuses).toEqual([200]);
  expect(wire.records[0]!.fault).toContain('total limit');
  wire.backend.reply = () => null;
  const silent = await new RawClient(wire.port).send(get()).answers(1);
  expect(silent.statuses).toEqual([504]);
  silent.close();
});

test('retries: 0 sends nothing again', async () => {
  const wire = await start({ upstream: { retries: 0 } });
  await say(wire.port, get(), 20);
  wire.backend.reply = (_request, socket) => {
    socket.destroy();
    return null;
  };
  expect((await say(wire.port, get('/again'), 20)).statuses).toEqual([502]);
  expect(wire.backend.seen.map((one) => one.target)).toEqual(['/x', '/again']);
});

test('an upstream has its own bound on connections and on its queue', async () => {
  const wire = await start({ upstream: { maxConnections: 1, queue: 0 } });
  wire.backend.reply = () => null;
  const first = new RawClient(wire.port).send(get('/1'));
  await pause(40);
  expect((await say(wire.port, get('/2'))).statuses).toEqual([503]);
  first.close();
});

test('with outlier ejection a target that answers 503 in a row is left out while another one serves', async () => {
  const [bad, good] = [await RecordingBackend.start(), await RecordingBackend.start()];
  bad.reply = () => 'HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n';
  const targets = [bad, good].map((one) => ({ url: `http://127.0.0.1:${one.port}`, weight: 1 }));
  const wire = await start({ upstream: { targets, outlier: { failures: 2, ejectionMs: 5000 } } });
  const client = await new RawClient(wire.port).send(get().repeat(20)).answers(20);
  client.close();
  expect(bad.seen).toHaveLength(2);
  expect(good.seen).toHaveLength(18);
  await bad.close();
  await good.close();
});

test('the last target goes on serving, badly as it may', async () => {
  const wire = await start({ upstream: { outlier: { failures: 1, ejectionMs: 5000 } } });
  wire.backend.reply = () => 'HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n';
  for (let i = 0; i < 3; i++) expect((await say(wire.port, get(), 20)).statuses).toEqual([503]);
  expect(wire.backend.seen).toHaveLength(3);
});

test('a route may bound its bodies below the realm, counted or chunked', async () => {
  const wire = await start({ route: { bodyMaxBytes: 4 } });
  expect((await say(wire.port, `${get('/x', 'POST', 'Content-Length: 4\r\n')}abcd`)).statuses).toEqual([200]);
  expect((await say(wire.port, `${get('/x', 'POST', 'Content-Length: 5\r\n')}abcde`)).statuses).toEqual([413]);
  expect(
    (await say(wire.port, `${get('/x', 'POST', 'Transfer-Encoding: chunked\r\n')}5\r\nabcde\r\n0\r\n\r\n`)).statuses,
  ).toEqual([413]);
  expect(wire.backend.seen).toHaveLength(1);
});

test.each([
  ['preserve', () => 'a'],
  ['upstream', (wire: TestWire) => `127.0.0.1:${wire.backend.port}`],
  ['inner.test', () => 'inner.test'],
])('host: %s is what the upstream sees', async (host, want) => {
  const request = { set: {}, add: {}, remove: [], stripPrefix: false, rewritePrefix: null, host };
  const wire = await start({ route: { ...PLAIN_ROUTE, request } });
  await say(wire.port, get());
  expect(wire.backend.invalid).toEqual([]);
  expect(field(wire.backend.seen[0], 'host')).toBe(want(wire));
  expect(field(wire.backend.seen[0], 'x-forwarded-host')).toBe('a');
});

test('a TLS upstream is believed only with a certificate for its name', async () => {
  const wire = await start({
    upstream: {
      targets: [{ url: 'https://127.0.0.1:1', weight: 1 }],
      tls: { ca: 'file:/nowhere/ca.pem', sni: 'inner.test', verify: true },
    },
  });
  // The authorities cannot be read: refused, not trusted blindly.
  expect((await say(wire.port, get())).statuses).toEqual([502]);
});
