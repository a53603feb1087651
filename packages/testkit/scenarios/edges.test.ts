import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type tls from 'node:tls';
import { afterEach, expect, test } from '@jest/globals';
import { freePort, type House, hasOpenssl, makeCertificate, sleep, startHouse, startUpstream, until } from '../src/index.ts';

let cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  cleanup = [];
}, 60_000);

interface Ports {
  readonly secure: number;
  readonly balanced: number;
  readonly broken: number;
}

const config = (upstream: string, { secure, balanced, broken }: Ports): string => `
version: 1
fluxgate:
  trusted_proxies: ["127.0.0.1/32"]
  auth: { api_key: { enabled: true } }
  limits: { head: 16KiB, body: 1MiB }
listeners:
  - address: 127.0.0.1:${secure}
    tls: [{ cert: "file:one.pem", key: "file:one.key" }, { cert: "file:two.pem", key: "file:two.key" }]
  - { address: "127.0.0.1:${balanced}", proxy_protocol: v2 }
  - { address: "127.0.0.1:${broken}", tls: [{ cert: "file:missing.pem", key: "file:missing.key" }] }
upstreams:
  orders: { targets: ["${upstream}"] }
---
route: /shop
upstream: orders
cors: { origins: ["https://app.test"], credentials: true, expose: [ETag] }
request: { strip_prefix: true, host: orders.internal, set: { X-Api-Version: "2" }, remove: [Cookie] }
response: { set: { Cache-Control: no-store }, remove: [X-Internal] }
body: { max: 1KiB }
---
route: /open
upstream: orders
auth: none
---
route: /endpoint
upstream: orders
auth: none
middleware:
  - ip_allow: ["vpce-08d2bf15fac5001c9"]
`;

interface Told {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly subject: string;
}

function ask(port: number, options: https.RequestOptions & { readonly body?: string } = {}): Promise<Told> {
  return new Promise((resolve, reject) => {
    const request = https.request(
      { host: '127.0.0.1', port, rejectUnauthorized: false, servername: 'one.test', ...options },
      (response) => {
        const socket = response.socket as tls.TLSSocket;
        const subject = String(socket.getPeerCertificate().subject?.CN);
        response.resume();
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, subject }),
        );
      },
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

/** PROXY protocol v2 over TCP/IPv4, from 192.0.2.7, with the id of a VPC endpoint as AWS sends it. */
function proxyHeader(endpoint: string): Buffer {
  const tlv = Buffer.concat([Buffer.from([0xea, 0, endpoint.length + 1, 1]), Buffer.from(endpoint)]);
  const addresses = Buffer.from([192, 0, 2, 7, 192, 0, 2, 8, 0x1f, 0x90, 0x01, 0xbb]);
  const length = addresses.length + tlv.length;
  const fixed = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.from([0x21, 0x11, length >> 8, length & 255]),
  ]);
  return Buffer.concat([fixed, addresses, tlv]);
}

const through = (port: number, header: Buffer | string, target: string): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(header);
      socket.write(`GET ${target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });

async function listenersOf(house: House): Promise<{ address: string; state: string; why: string | null }[]> {
  const answer = await fetch(`${house.nodes[0]!.statusUrl}/readyz`);
  return ((await answer.json()) as { listeners: { address: string; state: string; why: string | null }[] }).listeners;
}

/** Requests on kept connections and on new ones, without a pause, until stopped. */
function keepAsking(port: number): { stop(): Promise<{ asked: number; failed: string[]; subjects: Set<string> }> } {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 6 });
  const failed: string[] = [];
  const subjects = new Set<string>();
  let asked = 0;
  let stopped = false;
  const loop = async (agentOf: https.Agent | false): Promise<void> => {
    while (!stopped) {
      asked += 1;
      try {
        const { status, subject } = await ask(port, { path: '/open', agent: agentOf });
        subjects.add(subject);
        if (status !== 200) failed.push(`status ${status}`);
      } catch (error) {
        failed.push(String(error));
      }
    }
  };
  const loops = [...Array.from({ length: 6 }, () => loop(agent)), ...Array.from({ length: 2 }, () => loop(false))];
  return {
    async stop() {
      stopped = true;
      await Promise.all(loops);
      agent.destroy();
      return { asked, failed, subjects };
    },
  };
}

const name = 'TLS with two names, a certificate renewed under load, PROXY v2, CORS, transforms and sizes, on real processes';

if (!hasOpenssl()) test(`${name} (left out: there is no openssl command)`, () => {});
else
  test(name, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'fluxgate-edges-'));
    makeCertificate(dir, 'one', ['one.test']);
    makeCertificate(dir, 'two', ['two.test', '*.two.test']);
    const upstream = await startUpstream(({ url }) => ({
      status: 200,
      body: url,
      headers: { 'x-internal': 'secret', 'access-control-allow-origin': '*', etag: '"1"' },
    }));
    const house = await startHouse({ nodes: 1, workers: 2, nodeEnv: { FLUXGATE_TLS_DIR: dir } });
    cleanup = [() => rmSync(dir, { recursive: true, force: true }), upstream.close, house.stop];
    const ports = { secure: await freePort(), balanced: await freePort(), broken: await freePort() };
    await house.admin.apply(config(upstream.url, ports));
    const issued = await house.admin.generate({ name: 'shop', scopes: [] });
    const key = { 'x-fluxgate-api-key': issued.secret ?? '' };

    // Listeners: the certificate follows the name, and one without its files stops no other.
    await until(
      'the listeners are open',
      async () => (await listenersOf(house)).filter((one) => one.state === 'open').length === 2,
    );
    expect((await ask(ports.secure, { path: '/open' })).subject).toBe('one.test');
    expect((await ask(ports.secure, { path: '/open', servername: 'api.two.test' })).subject).toBe('two.test');
    expect((await listenersOf(house)).find((one) => one.address.endsWith(`:${ports.broken}`))).toMatchObject({
      state: 'held',
      why: 'file:missing.pem cannot be read (ENOENT)',
    });
    expect((await fetch(`${house.nodes[0]!.url}/open`)).status).toBe(200);

    // CORS before authentication, transforms behind it.
    const page = { origin: 'https://app.test' };
    const preflight = await ask(ports.secure, {
      method: 'OPTIONS',
      path: '/shop/cart',
      headers: { ...page, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-fluxgate-api-key' },
    });
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, 'https://app.test']);
    expect(preflight.headers['access-control-allow-headers']).toBe('x-fluxgate-api-key');
    const refused = await ask(ports.secure, { path: '/shop/cart', headers: page });
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, 'https://app.test']);
    upstream.received.length = 0;
    const passed = await ask(ports.secure, {
      path: '/shop/cart?a=1',
      headers: { ...page, ...key, cookie: 'a=b', 'x-api-version': '1' },
    });
    expect(passed.status).toBe(200);
    expect(passed.headers).toMatchObject({
      'access-control-allow-origin': 'https://app.test',
      'access-control-allow-credentials': 'true',
      'cache-control': 'no-store',
      vary: 'Origin',
    });
    expect(passed.headers['x-internal']).toBeUndefined();
    const [seen] = upstream.received;
    expect([seen?.url, seen?.headers.host, seen?.headers['x-forwarded-prefix']]).toEqual([
      '/cart?a=1',
      'orders.internal',
      '/shop',
    ]);
    expect([seen?.headers['x-api-version'], seen?.headers.cookie, seen?.headers['x-forwarded-proto']]).toEqual([
      '2',
      undefined,
      'https',
    ]);

    // Sizes: of the route, of the realm.
    const post = (path: string, bytes: number) =>
      ask(ports.secure, { method: 'POST', path, headers: key, body: 'x'.repeat(bytes) });
    expect((await post('/shop/cart', 1025)).status).toBe(413);
    expect((await post('/shop/cart', 1024)).status).toBe(200);
    expect((await post('/open', 1_048_577)).status).toBe(413);

    // PROXY protocol: the endpoint is a fact for ip_allow, and a connection without a header says nothing at all.
    expect(await through(ports.balanced, proxyHeader('vpce-08d2bf15fac5001c9'), '/endpoint')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await through(ports.balanced, proxyHeader('vpce-00000000000000000'), '/endpoint')).toMatch(/^HTTP\/1\.1 403 /);
    expect(await through(ports.balanced, '', '/endpoint')).toBe('');
    expect(upstream.received.find((one) => one.url === '/endpoint')?.headers['x-forwarded-for']).toBe('192.0.2.7');

    // A new certificate while requests run: it is served, and no request is lost.
    const next = makeCertificate(dir, 'next', ['renewed.test']);
    const load = keepAsking(ports.secure);
    cleanup.push(async () => void (await load.stop())); // also when something below fails
    await sleep(700);
    copyFileSync(next.keyFile, join(dir, 'one.key'));
    copyFileSync(next.certFile, join(dir, 'one.pem'));
    house.nodes[0]!.process.signal('SIGHUP');
    await until(
      'the new certificate is served',
      async () => (await ask(ports.secure, { path: '/open', agent: false })).subject === 'renewed.test',
    );
    await sleep(700);
    const { asked, failed, subjects } = await load.stop();
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(100);
    expect([...subjects].sort()).toEqual(['one.test', 'renewed.test']);

    // A listener that leaves the configuration closes; the node's own port goes on.
    const after = config(upstream.url, ports).replace(/listeners:[\s\S]*?upstreams:/, 'listeners: []\nupstreams:');
    await house.admin.apply(after);
    await until('the listener is closed', async () => {
      const closed = await ask(ports.secure, { path: '/open', agent: false }).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      );
      return closed;
    });
    expect((await fetch(`${house.nodes[0]!.url}/open`)).status).toBe(200);
  }, 120_000);
