import { createPrivateKey } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createKek, Secret } from '@fluxgate/stores/secrets';
import { afterEach, expect, test } from '@jest/globals';
import { type House, home, type Running, sleep, startHouse, startProcess, startUpstream, until } from '../src/index.ts';
import { strongest } from './engines.ts';

/** Our own token endpoint and our own gateway together: a client made by fluxctl, its tokens at a route that names the issuer alone. */

let cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  cleanup = [];
}, 60_000);

async function fluxctl(house: House, ...args: string[]): Promise<Running & { code: number | null }> {
  const running = startProcess(join(home, 'apps', 'fluxctl', 'bin', 'fluxctl.js'), args, {
    FLUXCTL_SERVER: house.adminUrl,
    FLUXCTL_TOKEN: house.admin.token,
    FLUXCTL_CONFIG: join(house.dir, 'fluxctl.yaml'),
    XDG_STATE_HOME: join(house.dir, 'state'),
  });
  const { code } = await running.exited;
  return Object.assign(Object.create(running) as Running, { code });
}

interface Client {
  readonly id: string;
  readonly secret: string;
}
async function makeClient(house: House, ...flags: string[]): Promise<Client> {
  const made = await fluxctl(house, 'clients', 'create', '-o', 'json', ...flags);
  if (made.code !== 0) throw new Error(made.output());
  const { client, secret } = JSON.parse(made.stdout()) as { client: { clientId: string }; secret: string };
  return { id: client.clientId, secret };
}

async function mint(house: House, { id, secret }: Client, form: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${house.adminUrl}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...form }),
  });
  const body = (await response.json()) as { access_token?: string };
  if (body.access_token === undefined) throw new Error(`no token: ${response.status} ${JSON.stringify(body)}`);
  return body.access_token;
}
const kidOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid;

async function get(url: string, token: string): Promise<number> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

/** Tokens are made and used without a pause; each is used again while others follow. */
function startTraffic(house: House, client: Client): { stop(): Promise<{ sent: number; odd: string[]; kids: Set<string> }> } {
  const tokens: string[] = [];
  const kids = new Set<string>();
  const odd: string[] = [];
  let sent = 0;
  let stopped = false;
  const making = (async () => {
    while (!stopped) {
      const token = await mint(house, client);
      kids.add(kidOf(token));
      tokens.push(token);
      await sleep(50);
    }
  })();
  const using = [0, 1, 2, 3].map(async (worker) => {
    await until('there is a token', () => tokens.length > 0);
    while (!stopped) {
      // The newest, which no node may know the key of, and old ones in turn.
      const token = (sent % 2 === 0 ? tokens.at(-1) : tokens[(sent * 7 + worker) % tokens.length]) ?? '';
      const node = house.nodes[sent % house.nodes.length];
      sent += 1;
      const status = await get(`${node?.url}/orders`, token);
      if (status !== 200) odd.push(`${status} for a token of ${kidOf(token)} at ${node?.name}`);
      await sleep(5);
    }
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all([making, ...using]);
      return { sent, odd, kids };
    },
  };
}

function* filesBelow(dir: string): Generator<string> {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) yield* filesBelow(path);
    else if (stat?.isFile()) yield path;
  }
}

/** Which of the needles stand in the memory of a process. */
function inMemoryOf(pid: number, needles: readonly Buffer[]): Set<number> {
  const found = new Set<number>();
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const chunk = Buffer.alloc(8 * 1024 * 1024);
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      const end = Number.parseInt(to, 16);
      for (let at = Number.parseInt(from, 16); at < end; at += chunk.length - 256) {
        let length: number;
        try {
          length = readSync(memory, chunk, 0, Math.min(chunk.length, end - at), at);
        } catch {
          break; // a guard page, or the range was given back meanwhile
        }
        for (const [index, needle] of needles.entries()) if (chunk.subarray(0, length).includes(needle)) found.add(index);
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

test('a client made by fluxctl gets tokens that the gateway takes, and a rotation under load refuses none of them', async () => {
  const database = await strongest.open();
  const upstream = await startUpstream();
  const house = await startHouse({
    nodes: 2,
    ...(database.databaseUrl === undefined ? {} : { databaseUrl: database.databaseUrl }),
    // Key sets live a second at the nodes, which may not ask because of an unknown key: only the times of the ring help them.
    controlPlaneEnv: { FLUXGATE_ISSUER_JWKS_CACHE: '2s' },
    nodeEnv: { FLUXGATE_JWKS_COOL_DOWN: '10m' },
  });
  cleanup = [database.drop, upstream.close, house.stop];
  const client = await makeClient(house, '--name', 'orders-worker', '--scope', 'read:orders', '--audience', 'orders-api');
  const route = (path: string, more: string): string =>
    `---\nroute: ${path}\nupstream: u\nmiddleware: [{ jwt: { issuer: "${house.adminUrl}", audience: orders-api, typ: at+jwt, cache_ttl: 1s${more} } }]\n`;
  await house.admin.apply(
    `fluxgate: {}\nupstreams: { u: { targets: ["${upstream.url}"] } }\n${route('/orders', '')}${route('/admin', ', required_scopes: ["write:orders"]')}`,
  );
  const node = house.nodes[0]?.url ?? '';
  const first = await mint(house, client);
  await until('the nodes have the key set', async () => {
    const statuses = await Promise.all(house.nodes.map(({ url }) => get(`${url}/orders`, first)));
    return statuses.every((status) => status === 200);
  });
  expect(await get(`${node}/admin`, first)).toBe(403);
  expect(upstream.received.at(-1)?.headers).toMatchObject({
    'x-fluxgate-principal': client.id,
    'x-fluxgate-scopes': 'read:orders',
  });

  const traffic = startTraffic(house, client);
  await sleep(1000);
  const staged = await fluxctl(house, 'jwks', 'rotate');
  expect([staged.code, staged.output()]).toEqual([0, expect.stringMatching(/published \S+; it signs from/)]);
  await until('the new key signs, by itself', async () => kidOf(await mint(house, client)) !== kidOf(first), {
    deadlineMs: 30_000,
    everyMs: 200,
  });
  await sleep(2000);
  const report = await traffic.stop();
  expect(report.odd).toEqual([]);
  expect(report.kids.size).toBe(2);
  expect(report.sent).toBeGreaterThan(300);

  // A restart keeps the keys; a second later everything is as before.
  const before = kidOf(await mint(house, client));
  await house.controlPlane.kill();
  expect(await get(`${node}/orders`, first)).toBe(200);
  await house.restartControlPlane();
  const after = await mint(house, client);
  expect(kidOf(after)).toBe(before);
  expect(await get(`${node}/orders`, after)).toBe(200);

  // After a leak every old token ends as soon as the nodes have fetched the key set again, which they can be told to do.
  const leaked = await fluxctl(house, 'jwks', 'rotate', '--compromised', '--yes');
  expect([leaked.code, leaked.output()]).toEqual([0, expect.stringContaining('every token made so far ends')]);
  const next = await mint(house, client);
  // Both nodes have to be back first: the control plane was killed a moment ago.
  await until('old tokens end and new ones pass at both nodes', async () => {
    if ((await fluxctl(house, 'jwks', 'refresh', house.adminUrl)).code !== 0) return false;
    const statuses = await Promise.all(
      house.nodes.flatMap(({ url }) => [get(`${url}/orders`, after), get(`${url}/orders`, next)]),
    );
    return statuses.join() === '401,200,401,200';
  });
}, 150_000);

test('no private key of the issuer stands in a node, in a log, in a file or in an environment', async () => {
  const upstream = await startUpstream();
  const house = await startHouse({ nodes: 1 });
  cleanup = [upstream.close, house.stop];
  const client = await makeClient(house, '--name', 'orders-worker', '--audience', 'orders-api');
  await house.admin.apply(
    `fluxgate: {}\nupstreams: { u: { targets: ["${upstream.url}"] } }\n---\nroute: /orders\nupstream: u\nmiddleware: [{ jwt: { issuer: "${house.adminUrl}", audience: orders-api } }]\n`,
  );
  const node = house.nodes[0];
  if (node === undefined) throw new Error('one node');
  const token = await mint(house, client);
  await until('a token passes', async () => (await get(`${node.url}/orders`, token)) === 200);
  const published = (await (await fetch(`${house.adminUrl}/oauth2/jwks`)).json()) as { keys: { kid: string; x: string }[] };
  const environments = [house.controlPlane.pid, node.process.pid].map((pid) => readFileSync(`/proc/${pid}/environ`, 'latin1'));

  // The test opens the sealed key as only the owner of the KEK file can, to know what it looks for.
  await house.controlPlane.stop();
  const { openDatabase } = await import('@fluxgate/stores/postgres');
  const { stateCodec } = await import('@fluxgate/protocol/sync');
  const db = await openDatabase({ url: house.databaseUrl, codec: stateCodec, clock: Date.now });
  const rows = await db.prisma.signingKey.findMany();
  await db.close();
  const kek = createKek(Secret.fromBytes(Buffer.from(readFileSync(house.kekFile, 'utf8').trim(), 'base64')));
  expect(rows.map(({ kid }) => kid)).toEqual(published.keys.map(({ kid }) => kid));
  const needles = rows.flatMap(({ kid, realm, algorithm, sealed }) => {
    const der = Buffer.from(kek.open(sealed, ['issuer-key', realm, kid, algorithm]));
    const d = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }).d ?? '';
    const raw = Buffer.from(d, 'base64url');
    return [
      raw,
      Buffer.from(raw).reverse(),
      Buffer.from(d),
      Buffer.from(raw.toString('hex')),
      Buffer.from(der.toString('base64')),
    ];
  });

  // The public half is in the node's memory, so the search can find something; the private one is not.
  const publicX = Buffer.from(published.keys[0]?.x ?? '', 'latin1');
  expect(inMemoryOf(node.process.pid, [publicX, ...needles])).toEqual(new Set([0]));
  await node.process.stop();
  const places: [string, Buffer][] = [
    ['log of the control plane', Buffer.from(house.controlPlane.output())],
    ['log of the node', Buffer.from(node.process.output())],
    ...environments.map((text, index): [string, Buffer] => [`environment ${index}`, Buffer.from(text, 'latin1')]),
    ...[...filesBelow(house.dir)].map((file): [string, Buffer] => [file, readFileSync(file)]),
  ];
  expect(places.length).toBeGreaterThan(100);
  expect(places.filter(([, content]) => needles.some((needle) => content.includes(needle))).map(([place]) => place)).toEqual([]);
}, 90_000);
