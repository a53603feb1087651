import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import type { UpstreamTls } from '@fluxgate/policy';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Certificate, hasOpenssl, makeCertificate } from '../../../../packages/testkit/src/certificates.ts';
import { say } from './testing/raw-client.ts';
import { startTestWire } from './testing/test-wire.ts';

const openssl = hasOpenssl();
const withTls = (name: string, run: () => Promise<void>): void =>
  openssl ? test(name, run) : test(`${name} (left out: there is no openssl command)`, () => {});

let dir = '';
let port = 0;
let asked: (string | false | null)[] = [];
let server: tls.Server | null = null;
beforeAll(async () => {
  if (!openssl) return;
  dir = mkdtempSync(join(tmpdir(), 'fluxgate-upstream-tls-'));
  const ca = makeCertificate(dir, 'ca', ['ca.test']);
  makeCertificate(dir, 'other', ['other.test']);
  const leaf: Certificate = makeCertificate(dir, 'leaf', ['orders.internal'], ca);
  server = tls.createServer({ cert: leaf.cert, key: leaf.key }, (socket) => {
    asked.push(socket.servername);
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  port = (server.address() as { port: number }).port;
});
afterAll(() => {
  server?.close();
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

/** The status that a client gets of an upstream met like that. */
async function statusWith(secure: Partial<UpstreamTls>): Promise<number | undefined> {
  asked = [];
  const wire = await startTestWire({
    upstream: {
      targets: [{ url: `https://127.0.0.1:${port}`, weight: 1 }],
      tls: { ca: 'file:ca.pem', sni: 'orders.internal', verify: true, ...secure },
    },
    authorities: (reference) => readFileSync(join(dir, reference.slice(5)), 'utf8'),
  });
  const { statuses } = await say(wire.port, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
  await wire.stop();
  return statuses[0];
}

withTls('an upstream whose certificate is for the name and of the authority is served, and is asked for that name', async () => {
  expect(await statusWith({})).toBe(200);
  expect(asked).toEqual(['orders.internal']);
});

withTls('a wrong name, an unknown authority, or one that cannot be read, is 502 and never unverified', async () => {
  expect(await statusWith({ sni: 'payments.internal' })).toBe(502);
  expect(await statusWith({ sni: null })).toBe(502);
  expect(await statusWith({ ca: null })).toBe(502);
  expect(await statusWith({ ca: 'file:other.pem' })).toBe(502);
  expect(await statusWith({ ca: 'file:missing.pem' })).toBe(502);
  expect(await statusWith({ ca: 'file:leaf.key' })).toBe(502);
});

withTls('only who says verify: false is served whatever is shown', async () => {
  expect(await statusWith({ verify: false, ca: null, sni: null })).toBe(200);
});
