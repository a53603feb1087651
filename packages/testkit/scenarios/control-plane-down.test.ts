import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { startHouse, startUpstream, until } from '../src/index.ts';
import { engines, strongest } from './engines.ts';
import { sampleConfig } from './sample-config.ts';

let cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  cleanup = [];
}, 60_000);

async function build(nodes = 1, engine = strongest) {
  const database = await engine.open();
  const upstream = await startUpstream();
  const house = await startHouse({ nodes, ...(database.databaseUrl === undefined ? {} : { databaseUrl: database.databaseUrl }) });
  cleanup = [database.drop, upstream.close, house.stop];
  await house.admin.apply(sampleConfig(upstream.url));
  const call = async (path: string, key: string, node = 0) => {
    const response = await fetch(`${house.nodes[node]?.url}${path}`, { headers: { 'x-fluxgate-api-key': key } });
    return { status: response.status, headers: response.headers, body: (await response.json()) as { error?: string } };
  };
  return { house, upstream, call };
}

test('with the control plane killed a node serves on, and a restarted node serves from its disk', async () => {
  const { house, call } = await build();
  const valid = (await house.admin.generate({ name: 'valid', scopes: ['env:staging'] })).secret ?? '';
  const metered =
    (await house.admin.generate({ name: 'metered', quota: { limit: 1000, window: 'day', zone: 'UTC' } })).secret ?? '';
  const revoked = (await house.admin.generate({ name: 'revoked' })).secret ?? '';
  await house.admin.revoke('revoked');
  expect((await call('/internal/gateway', metered)).status).toBe(200);

  await house.controlPlane.kill();
  expect((await call('/internal/gateway', valid)).status).toBe(200);
  expect((await call('/internal/gateway', revoked)).status).toBe(401);

  await house.nodes[0]?.process.kill();
  await house.restartNode(0);
  expect((await call('/internal/gateway', revoked)).status).toBe(401);
  const statuses: number[] = [];
  for (let n = 0; n < 6; n += 1) statuses.push((await call('/internal/gateway', valid)).status);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  // A fresh process has no lease and nobody to ask: the quota's on_authority_loss is deny, and it is an outage, not a refusal of the caller.
  const lost = await call('/internal/gateway', metered);
  expect([lost.status, lost.body.error]).toEqual([503, 'authority_unavailable']);

  await house.restartControlPlane();
  await until('the quota answers again', async () => (await call('/internal/gateway', metered)).status === 200, {
    deadlineMs: 20_000,
    everyMs: 200,
  });
}, 120_000);

test('a snapshot or log on disk that was cut or changed is not believed', async () => {
  const { house, call } = await build();
  const key = (await house.admin.generate({ name: 'kept' })).secret ?? '';
  await house.controlPlane.kill();
  await house.nodes[0]?.process.kill();
  const { writeFileSync } = await import('node:fs');
  const dir = house.nodes[0]?.dir ?? '';
  const files = readdirSync(dir, { recursive: true })
    .map(String)
    .filter((name) => /\.fg[sl]$/.test(name));
  expect(files.length).toBeGreaterThan(0);
  for (const name of files) {
    const bytes = readFileSync(join(dir, name));
    for (let at = 0; at < bytes.length; at += 97) bytes[at] = (bytes[at] ?? 0) ^ 0x01;
    writeFileSync(join(dir, name), bytes);
  }
  const starting = house.restartNode(0);
  starting.catch(() => {});
  const status = await until(
    'the node says that it has no state',
    async () => {
      const url = house.nodes[0]?.statusUrl;
      const response = await fetch(`${url}/readyz`).catch(() => null);
      return response !== null && response.status === 503 ? response.status : null;
    },
    { deadlineMs: 20_000 },
  );
  expect(status).toBe(503);
  const answer = await fetch(`${house.nodes[0]?.url}/internal/gateway`, { headers: { 'x-fluxgate-api-key': key } }).catch(
    () => null,
  );
  if (answer !== null) expect(answer.status).toBe(503);
  await house.restartControlPlane();
  await starting;
  await until('the node has fetched its state anew', async () => (await call('/internal/gateway', key)).status === 200, {
    deadlineMs: 20_000,
    everyMs: 100,
  });
}, 120_000);

test('garbage on the sync socket is refused, the last good state is kept and the control plane lives', async () => {
  const { house, call } = await build();
  const key = (await house.admin.generate({ name: 'steady' })).secret ?? '';
  const port = Number(new URL(house.adminUrl).port);
  const spit = (text: string | Buffer): Promise<string> =>
    new Promise((resolve) => {
      let said = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (chunk) => (said += chunk.toString('latin1')));
      socket.on('error', () => resolve(said));
      socket.on('close', () => resolve(said));
      setTimeout(() => socket.destroy(), 1500);
    });
  const upgrade = (token: string): string =>
    `GET /v1/sync HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  expect(await spit(upgrade('fgn_live_nonsense'))).toMatch(/^HTTP\/1\.1 401/);
  const token = readFileSync(join(house.dir, 'bootstrap', 'node.token'), 'utf8').trim();
  const masked = (bytes: Buffer, opcode: number): Buffer =>
    Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]);
  await spit(Buffer.concat([Buffer.from(upgrade(token)), masked(Buffer.from('{"t":"hello","node":'), 1)]));
  await spit(Buffer.concat([Buffer.from(upgrade(token)), masked(Buffer.from([0xff, 0x00, 0xff, 0x13, 0x37]), 2)]));
  expect((await house.admin.call('GET', '/v1/whoami')).status).toBe(200);
  expect((await call('/internal/gateway', key)).status).toBe(200);
  const nodes = await house.admin.call<{ items: { state: string }[] }>('GET', '/v1/nodes');
  expect(nodes.body.items.filter((node) => node.state === 'converged').length).toBe(1);
}, 120_000);

test.each(engines)(
  'killing the control plane at random points loses no acknowledged write and leaves dense revisions ($name)',
  async (engine) => {
    const { house } = await build(1, engine);
    const acknowledged: string[] = [];
    let seed = 20_261_121;
    const chance = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    // At least four kills, and as many more as a slow machine needs for enough acknowledged writes.
    for (let round = 0; round < 4 || (acknowledged.length <= 10 && round < 16); round += 1) {
      let killed = false;
      const writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let n = 0; !killed; n += 1) {
          const name = `k-${round}-${writer}-${n}`;
          const answer = await house.admin.call('POST', '/v1/keys', { name }).catch(() => null);
          if (answer?.status === 201) acknowledged.push(name);
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 400 + chance() * 1000));
      await house.controlPlane.kill();
      killed = true;
      await Promise.all(writers);
      await house.restartControlPlane();
    }
    expect(acknowledged.length).toBeGreaterThan(10);
    for (const name of acknowledged) expect((await house.admin.call('GET', `/v1/keys/${name}`)).status).toBe(200);
    const revisions: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: { items: { revision: number }[]; nextCursor: string | null } = (
        await house.admin.call<{ items: { revision: number }[]; nextCursor: string | null }>(
          'GET',
          `/v1/revisions?limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
        )
      ).body;
      revisions.push(...page.items.map((item) => item.revision));
      cursor = page.nextCursor;
    }
    const sorted = [...revisions].sort((a, b) => a - b);
    expect(sorted).toEqual(sorted.map((_, index) => (sorted[0] ?? 0) + index));
    await until(
      'the node holds the head again',
      async () => {
        const nodes = await house.admin.call<{ items: { state: string }[] }>('GET', '/v1/nodes');
        return nodes.body.items.every((node) => node.state === 'converged');
      },
      { deadlineMs: 20_000, everyMs: 100 },
    );
  },
  180_000,
);
