import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey, stateCodec } from '@fluxgate/protocol/sync';
import { type Database, ensureRealm, openDatabase } from '@fluxgate/stores/postgres';
import { createKek, LocalSecretStore, Secret } from '@fluxgate/stores/secrets';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHub, type Hub } from './hub.ts';
import { TestNode } from './test-node.ts';

const home = mkdtempSync(join(tmpdir(), 'fluxgate-commands-'));
const kek = createKek(Secret.fromBytes(randomBytes(32)));
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
let db: Database;
let hub: Hub;
let server: Server;
let url: string;

beforeAll(async () => {
  db = await openDatabase({ url: `pglite:${join(home, 'db')}`, codec: stateCodec, clock: Date.now });
  await ensureRealm(db.prisma, 'live', { kek, makeSigningKey: () => generateSigningKey(), clock: Date.now });
  hub = createHub({
    db,
    kek,
    secretsOf: (realm) => new LocalSecretStore({ prisma: db.prisma, kek, realm, clock: Date.now }),
    verifyNodeToken: () => ({ realm: 'live', kid: 'nodetoken001' }),
    clock: Date.now,
    random: randomBytes,
    log: silent,
    pace: { pollMs: 60, heartbeatMs: 100, flushMs: 40, sweepMs: 5000 },
  });
  server = createServer((_, response) => response.end());
  hub.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `ws://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}, 60_000);
afterAll(async () => {
  await hub.close();
  server.close();
  await db.close();
  rmSync(home, { recursive: true, force: true });
});

test('a command reaches every live node once; silence and leaving are answers; late and invented results are nobody’s', async () => {
  const nodes = ['a', 'b', 'c'].map((name) => new TestNode({ url, token: 'x', name }));
  const [a, b, c] = nodes as [TestNode, TestNode, TestNode];
  await Promise.all(nodes.map((node) => node.join()));
  a.say({ t: 'command_result', id: 'never-asked', ok: true, body: null });

  const asked = hub.command('live', 'jwks.status', { issuer: 'https://i.example' }, 600);
  const heard = await a.heard('command');
  expect(heard).toMatchObject({ name: 'jwks.status', args: { issuer: 'https://i.example' } });
  a.say({ t: 'command_result', id: heard.id, ok: true, body: { sets: [1] } });
  await b.heard('command');
  b.socket.terminate();
  await c.heard('command');
  const answers = await asked;
  expect(Object.fromEntries(answers)).toEqual({
    a: { ok: true, body: { sets: [1] } },
    b: { ok: false, body: { why: 'the node has left' } },
    c: { ok: false, body: { why: 'no answer in time' } },
  });
  c.say({ t: 'command_result', id: heard.id, ok: true, body: {} });

  expect((await hub.command('live', 'x.y', {}, 50, ['nobody'])).size).toBe(0);
  expect((await hub.command('other', 'x.y', {}, 50)).size).toBe(0);
  expect(a.said.filter((message) => message.t === 'command')).toHaveLength(1);
  for (const node of nodes) node.socket.terminate();
});
