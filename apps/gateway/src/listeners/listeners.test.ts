import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { type Listener, PLAIN_LISTENER } from '@fluxgate/policy';
import { afterEach, expect, test } from '@jest/globals';
import { type Certificate, hasOpenssl, makeCertificate } from '../../../../packages/testkit/src/certificates.ts';
import { RawClient } from '../http/testing/raw-client.ts';
import { field } from '../http/testing/recording-backend.ts';
import { startTestWire, type TestWire } from '../http/testing/test-wire.ts';
import type { RequestFacts } from '../seam.ts';
import type { ListenerState } from './listener.ts';
import { Listeners } from './listeners.ts';
import { proxyV2, tlv } from './testing/proxy-v2.ts';
import { TlsFiles } from './tls-files.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n';
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Moved on where a test wants a certificate to end. */
const clock = { nowMs: Date.now() };

interface Room {
  readonly dir: string;
  readonly wire: TestWire;
  readonly listeners: Listeners;
  readonly states: () => readonly ListenerState[];
  readonly seen: RequestFacts[];
  port(): Promise<number>;
}
let rooms: Room[] = [];
afterEach(async () => {
  for (const one of rooms) {
    one.listeners.close();
    await one.wire.stop();
    rmSync(one.dir, { recursive: true, force: true });
  }
  rooms = [];
});

async function room(trustedProxies: readonly string[] = [], proxyHeaderMs = 1000): Promise<Room> {
  const dir = mkdtempSync(join(tmpdir(), 'fluxgate-tls-'));
  const wire = await startTestWire({ trustedProxies });
  const seen: RequestFacts[] = [];
  wire.decide = (facts) => {
    seen.push(facts);
    return wire.forward(facts);
  };
  let states: readonly ListenerState[] = [];
  const listeners = new Listeners({
    door: wire.wire,
    files: new TlsFiles(dir),
    reusePort: true,
    handshakeMs: 300,
    proxyHeaderMs,
    nowMs: () => clock.nowMs,
    onFault: (error) => {
      throw error;
    },
    onChange: (now) => {
      states = now;
    },
  });
  const one: Room = { dir, wire, listeners, states: () => states, seen, port: freePort };
  rooms.push(one);
  return one;
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
const plain = (port: number, change: Partial<Listener> = {}): Listener => ({
  address: `127.0.0.1:${port}`,
  tls: [],
  ...PLAIN_LISTENER,
  ...change,
});
const secured = (port: number, ...names: string[]): Listener =>
  plain(port, { tls: names.map((name) => ({ cert: `file:${name}.pem`, key: `file:${name}.key` })) });

/** Everything that one connection brings back until it ends; `` if it was closed without a word, `refused` if nobody listens. */
function talk(port: number, data: string | Buffer | readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    let timer: NodeJS.Timeout | undefined;
    const socket = net.connect(port, '127.0.0.1', async () => {
      for (const piece of typeof data === 'string' || Buffer.isBuffer(data) ? [data] : data) {
        socket.write(piece);
        await pause(1);
      }
    });
    const settle = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(settle, 80);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') text = 'refused';
    });
    socket.on('close', settle);
  });
}

interface Secure {
  readonly text: string;
  readonly subject: string;
  readonly protocol: string | null;
}
/** One request over TLS; rejects if the handshake fails or the connection ends without an answer. */
function talkTls(port: number, options: tls.ConnectionOptions = {}, before?: Buffer): Promise<Secure> {
  return new Promise((resolve, reject) => {
    const raw = net.connect(port, '127.0.0.1', () => {
      if (before !== undefined) raw.write(before);
      const socket = tls.connect({ socket: raw, rejectUnauthorized: false, ...options }, () => socket.write(GET));
      socket.on('data', (chunk) => {
        const { subject } = socket.getPeerCertificate();
        resolve({ text: chunk.toString('latin1'), subject: String(subject.CN), protocol: socket.getProtocol() });
        socket.destroy();
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed without an answer')));
    });
    raw.on('error', reject);
  });
}

const openssl = hasOpenssl();
/** Without the openssl command no certificate can be made here: said in the name of the test. */
const withTls = (name: string, run: () => Promise<void>): void =>
  openssl ? test(name, run) : test(`${name} (left out: there is no openssl command)`, () => {});

test('a listener comes with the configuration and goes with it, and the others stay open meanwhile', async () => {
  const { listeners, port, states } = await room();
  const [a, b] = [await port(), await port()];
  await listeners.apply([plain(a)]);
  const held = net.connect(a, '127.0.0.1');
  await new Promise((resolve) => held.once('connect', resolve));
  await listeners.apply([plain(a), plain(b)]);
  expect(await talk(b, GET)).toContain('200');
  await listeners.apply([plain(a)]);
  expect(await talk(b, GET)).toBe('refused');
  const answer = new Promise((resolve) => held.once('data', (chunk) => resolve(String(chunk))));
  held.write(GET);
  expect(await answer).toContain('200');
  held.destroy();
  expect(states().map((one) => one.state)).toEqual(['open']);
});

test('a listener that cannot be had is told and stops no other, and opens as soon as it can', async () => {
  const { listeners, port, states } = await room();
  const [taken, free] = [await port(), await port()];
  const stranger = net.createServer().listen({ port: taken, host: '127.0.0.1', exclusive: true });
  await listeners.apply([plain(taken), secured(await port(), 'missing'), plain(free)]);
  expect(states().map((one) => one.state)).toEqual(['failed', 'held', 'open']);
  expect(states()[0]!.why).toContain('taken by another program');
  expect(states()[1]!.why).toBe('file:missing.pem cannot be read (ENOENT)');
  expect(await talk(free, GET)).toContain('200');
  await new Promise((resolve) => stranger.close(resolve));
  listeners.refresh(false);
  await listeners.apply([plain(taken), plain(free)]);
  expect(states().map((one) => one.state)).toEqual(['open', 'open']);
});

test('a configured listener takes the place of the one that the node was started with, and gives it back', async () => {
  const { listeners, port } = await room(['127.0.0.1/32']);
  const own = await listeners.openOwn(await port(), '127.0.0.1');
  expect(await talk(own, GET)).toContain('200');
  await listeners.apply([plain(own, { proxyProtocol: 'v1' })]);
  for (let i = 0; i < 4; i += 1) expect(await talk(own, GET)).toBe('');
  await listeners.apply([]);
  expect(await talk(own, GET)).toContain('200');
});

test('a worker that is replaced does not open the port that a configured listener has taken, until the listener goes', async () => {
  const { listeners, port } = await room(['127.0.0.1/32']);
  const at = await port();
  listeners.expectOwn(at, '127.0.0.1');
  expect(await talk(at, GET)).toBe('refused');
  await listeners.apply([plain(at, { proxyProtocol: 'v1' })]);
  expect(await talk(at, GET)).toBe('');
  await listeners.apply([]);
  expect(await talk(at, GET)).toContain('200');
});

test('PROXY protocol tells the client and its VPC endpoint, also when the header comes byte by byte', async () => {
  const { listeners, port, seen, wire } = await room(['127.0.0.1/32']);
  const at = await port();
  await listeners.apply([plain(at, { proxyProtocol: 'any' })]);
  const header = proxyV2({
    source: '192.0.2.7',
    checksum: 'right',
    tlvs: [tlv(0xea, Buffer.from('\x01vpce-08d2bf15fac5001c9'))],
  });
  expect(await talk(at, Buffer.concat([header, Buffer.from(GET)]))).toContain('200');
  expect(await talk(at, [...header].map((byte) => Buffer.from([byte])).concat(Buffer.from(GET)))).toContain('200');
  expect(seen.map((one) => [one.clientText, one.vpcEndpoint])).toEqual([
    ['192.0.2.7', 'vpce-08d2bf15fac5001c9'],
    ['192.0.2.7', 'vpce-08d2bf15fac5001c9'],
  ]);
  for (let i = 0; i < 20; i += 1) {
    const client = new RawClient(at).send(header).send(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    await client.end();
    expect(client.statuses).toEqual([200]);
  }
  seen.length = 2;
  expect(field(wire.backend.seen[0], 'x-forwarded-for')).toBe('192.0.2.7');
  expect(await talk(at, `PROXY TCP6 2001:db8::1 ::1 1 2\r\n${GET}`)).toContain('200');
  expect(await talk(at, `PROXY UNKNOWN\r\n${GET}`)).toContain('200');
  expect(seen.slice(2).map((one) => one.clientText)).toEqual(['2001:db8::1', '127.0.0.1']);
});

test('who is not a trusted proxy, says no PROXY header, a malformed one, or none in time, is closed without a word', async () => {
  const stranger = await room();
  const at = await stranger.port();
  await stranger.listeners.apply([plain(at, { proxyProtocol: 'v1' })]);
  expect(await talk(at, `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${GET}`)).toBe('');
  const { listeners, port, seen } = await room(['127.0.0.1/32'], 100);
  const trusted = await port();
  await listeners.apply([plain(trusted, { proxyProtocol: 'v1' })]);
  for (const data of [GET, `PROXY TCP4 192.0.2.1\r\n${GET}`, 'PROXY TCP4 192.0.2.1 ', ''])
    expect(await talk(trusted, data)).toBe('');
  expect([...seen, ...stranger.seen]).toEqual([]);
});

withTls('the certificate is chosen by the name that the client asks for, and the first is for everybody else', async () => {
  const { dir, listeners, port } = await room();
  makeCertificate(dir, 'one', ['one.test']);
  makeCertificate(dir, 'two', ['two.test', '*.two.test']);
  const at = await port();
  await listeners.apply([secured(at, 'one', 'two')]);
  const shown = async (servername?: string) => (await talkTls(at, servername === undefined ? {} : { servername })).subject;
  expect(await shown('one.test')).toBe('one.test');
  expect(await shown('TWO.test')).toBe('two.test');
  expect(await shown('api.two.test')).toBe('two.test');
  expect(await shown('a.b.two.test')).toBe('one.test');
  expect(await shown('other.test')).toBe('one.test');
  expect(await shown()).toBe('one.test');
});

withTls(
  'TLS 1.2 and 1.3 are spoken, older versions and suites without forward secrecy are not, and a slow handshake ends',
  async () => {
    const { dir, listeners, port, seen } = await room();
    makeCertificate(dir, 'one', ['one.test']);
    const at = await port();
    await listeners.apply([secured(at, 'one')]);
    expect((await talkTls(at, { maxVersion: 'TLSv1.2' })).protocol).toBe('TLSv1.2');
    expect((await talkTls(at)).protocol).toBe('TLSv1.3');
    await expect(talkTls(at, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })).rejects.toThrow();
    await expect(talkTls(at, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' })).rejects.toThrow();
    expect(seen.map((one) => one.scheme)).toEqual(['https', 'https']);
    expect(await talk(at, '')).toBe('');
  },
);

withTls(
  'a new certificate is served in place: open connections go on, and one that does not fit leaves the old one in use',
  async () => {
    const { dir, listeners, port, states } = await room();
    makeCertificate(dir, 'one', ['before.test']);
    const at = await port();
    await listeners.apply([secured(at, 'one')]);
    const open = tls.connect({ port: at, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => open.once('secureConnect', resolve));

    const next = makeCertificate(dir, 'next', ['after.test']);
    copyFileSync(next.certFile, join(dir, 'one.pem')); // the key of before does not belong to it
    listeners.refresh(false);
    await listeners.apply([secured(at, 'one')]);
    expect(states()[0]).toMatchObject({ state: 'open', why: expect.stringContaining('does not belong to the certificate') });
    expect((await talkTls(at)).subject).toBe('before.test');

    copyFileSync(next.keyFile, join(dir, 'one.key'));
    listeners.refresh(false);
    await listeners.apply([secured(at, 'one')]);
    expect((await talkTls(at)).subject).toBe('after.test');
    expect(states()[0]).toMatchObject({ state: 'open', why: null });
    const answer = new Promise((resolve) => open.once('data', (chunk) => resolve(String(chunk))));
    open.write(GET);
    expect(await answer).toContain('200');
    open.destroy();
  },
);

withTls('a certificate that has ended is told, with when the first of them ends, and goes on to be served', async () => {
  const { dir, listeners, port, states } = await room();
  makeCertificate(dir, 'one', ['one.test']);
  const at = await port();
  await listeners.apply([secured(at, 'one')]);
  const ends = states()[0]!.certificateEndsMs!;
  expect(Math.abs(ends - Date.now() - 2 * 86_400_000)).toBeLessThan(60_000);
  clock.nowMs = ends;
  await listeners.apply([secured(at, 'one')]);
  clock.nowMs = Date.now();
  expect(states()[0]).toMatchObject({ state: 'open', why: 'a certificate has ended' });
  expect((await talkTls(at)).subject).toBe('one.test');
});

withTls('TLS files are read only below the TLS directory, and links out of it are not followed', async () => {
  const { dir, listeners, port, states } = await room();
  const outside = mkdtempSync(join(tmpdir(), 'fluxgate-elsewhere-'));
  makeCertificate(outside, 'one', ['one.test']);
  mkdirSync(join(dir, 'data'));
  makeCertificate(join(dir, 'data'), 'two', ['two.test']);
  for (const end of ['pem', 'key']) {
    symlinkSync(join(outside, `one.${end}`), join(dir, `one.${end}`));
    symlinkSync(join('data', `two.${end}`), join(dir, `two.${end}`)); // as Kubernetes mounts a secret
  }
  await listeners.apply([
    secured(await port(), 'one'),
    secured(await port(), join(outside, 'one')),
    secured(await port(), 'two'),
  ]);
  expect(states().map((one) => one.state)).toEqual(['held', 'held', 'open']);
  for (const one of states().slice(0, 2)) expect(one.why).toContain('lies outside FLUXGATE_TLS_DIR');
  rmSync(outside, { recursive: true, force: true });
});

withTls(
  'a certificate of a client is a fact if an authority of the listener signed it, and nothing gets in on another',
  async () => {
    const { dir, listeners, port, seen } = await room();
    makeCertificate(dir, 'one', ['one.test']);
    const ca = makeCertificate(dir, 'ca', ['ca.test']);
    const good = makeCertificate(dir, 'good', ['svc.internal', 'spiffe://test/svc'], ca);
    const stranger = makeCertificate(dir, 'stranger', ['svc.internal']);
    const show = ({ cert, key }: Certificate) => ({ cert, key });
    const [optional, required] = [await port(), await port()];
    const asking = (at: number, clientCerts: Listener['clientCerts']) => ({
      ...secured(at, 'one'),
      clientCa: 'file:ca.pem',
      clientCerts,
    });
    await listeners.apply([asking(optional, 'optional'), asking(required, 'required')]);

    for (const at of [optional, required]) {
      expect((await talkTls(at, show(good))).text).toContain('200');
      await expect(talkTls(at, show(stranger))).rejects.toThrow();
    }
    expect((await talkTls(optional)).text).toContain('200');
    await expect(talkTls(required)).rejects.toThrow();
    expect(seen.map((one) => one.clientCert?.subject)).toEqual([
      'CN=svc.internal,O=FluxGate test',
      'CN=svc.internal,O=FluxGate test',
      undefined,
    ]);
    expect(seen[0]!.clientCert).toMatchObject({
      san: 'DNS:svc.internal, URI:spiffe://test/svc',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  },
);

withTls('a PROXY header stands before the handshake, and what it says holds for what comes through it', async () => {
  const { dir, listeners, port, seen } = await room(['127.0.0.1/32']);
  makeCertificate(dir, 'one', ['one.test']);
  const at = await port();
  await listeners.apply([{ ...secured(at, 'one'), proxyProtocol: 'v2' }]);
  const header = proxyV2({ source: '192.0.2.9', tlvs: [tlv(0xea, Buffer.from('\x01vpce-08d2bf15fac5001c9'))] });
  expect((await talkTls(at, {}, header)).text).toContain('200');
  expect(seen.map((one) => [one.clientText, one.vpcEndpoint, one.scheme])).toEqual([
    ['192.0.2.9', 'vpce-08d2bf15fac5001c9', 'https'],
  ]);
  await expect(talkTls(at)).rejects.toThrow();
});

withTls('a listener changes from plain to TLS and back without closing its address', async () => {
  const { dir, listeners, port } = await room();
  makeCertificate(dir, 'one', ['one.test']);
  const at = await port();
  await listeners.apply([plain(at)]);
  expect(await talk(at, GET)).toContain('200');
  await listeners.apply([secured(at, 'one')]);
  expect((await talkTls(at)).subject).toBe('one.test');
  await listeners.apply([plain(at)]);
  expect(await talk(at, GET)).toContain('200');
});

test('a file that holds no certificate, or no key, is named, and nothing of it is repeated', async () => {
  const { dir, listeners, port, states } = await room();
  writeFileSync(join(dir, 'junk.pem'), 'hunter2');
  writeFileSync(join(dir, 'junk.key'), 'hunter2');
  await listeners.apply([secured(await port(), 'junk')]);
  expect(states()[0]).toMatchObject({ state: 'held', why: 'file:junk.pem holds no certificate in PEM' });
});
