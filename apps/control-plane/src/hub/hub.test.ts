import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  deleteRecord,
  ENTITY,
  encodeKeyPayload,
  generateSealingKey,
  generateSigningKey,
  keyDigest,
  putRecord,
  type StateRecord,
  stateCodec,
} from '@fluxgate/protocol/sync';
import { DatabaseUnavailable, type SecretStore } from '@fluxgate/stores';
import { type Database, ensureRealm, openDatabase } from '@fluxgate/stores/postgres';
import { createKek, type Kek, LocalSecretStore, PEPPER_PATH, Secret } from '@fluxgate/stores/secrets';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createHub, type Hub } from './hub.ts';
import type { HubOptions } from './options.ts';
import { TestNode, type TestNodeOptions } from './test-node.ts';

const home = mkdtempSync(join(tmpdir(), 'fluxgate-hub-'));
const kek: Kek = createKek(Secret.fromBytes(randomBytes(32)));
const actor = { name: 'test', role: 'admin', address: null, requestId: 'req' };
let db: Database;
let serial = 0;
let realm: string;
const lines: { level: string; message: string; fields: object }[] = [];
const logged = (text: RegExp) => lines.some(({ message }) => text.test(message));
const level = (name: string) => (fields: object, message: string) => void lines.push({ level: name, fields, message });
const log = { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') };

beforeAll(async () => {
  db = await openDatabase({ url: `pglite:${join(home, 'db')}`, codec: stateCodec, clock: Date.now });
}, 60_000);
afterAll(async () => {
  await db.close();
  rmSync(home, { recursive: true, force: true });
});

const closers: (() => Promise<void> | void)[] = [];
beforeEach(async () => {
  realm = `realm${++serial}`;
  lines.length = 0;
  await ensureRealm(db.prisma, realm, { kek, makeSigningKey: () => generateSigningKey(), clock: Date.now });
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(over: Partial<HubOptions> = {}): Promise<{ hub: Hub; url: string; port: number }> {
  const hub = createHub({
    db,
    kek,
    secretsOf: (name) => new LocalSecretStore({ prisma: db.prisma, kek, realm: name, clock: Date.now }),
    verifyNodeToken: (token) =>
      token === 'good-token' ? { realm, kid: 'nodetoken001' } : token === 'other-token' ? { realm, kid: 'nodetoken002' } : null,
    clock: Date.now,
    random: randomBytes,
    log,
    ...over,
    pace: { pollMs: 60, heartbeatMs: 100, flushMs: 40, sweepMs: 100, ...over.pace },
  });
  const server: Server = createServer((_, response) => response.end());
  hub.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  closers.push(async () => {
    await hub.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return { hub, url: `ws://127.0.0.1:${address.port}`, port: address.port };
}

function node(url: string, name = 'node-a', over: Partial<TestNodeOptions> = {}): TestNode {
  const made = new TestNode({ url, token: 'good-token', name, ...over });
  closers.push(() => made.socket.terminate());
  return made;
}

const put = (kind: number, id: string, value: unknown) => putRecord(kind, id, Buffer.from(JSON.stringify(value)));
const tiers = (name: string) => put(ENTITY.tiers, '', [{ name, scope: 's', rate: { limit: 1, perMs: 1000 } }]);
const key = (kid: string, pepperVersion = 1, pepper: Uint8Array = new Uint8Array(32)) =>
  putRecord(
    ENTITY.key,
    kid,
    encodeKeyPayload({
      digest: keyDigest(pepper, kid, 'x'.repeat(43)),
      pepperVersion,
      state: 'active',
      notAfterS: 0xffffffff,
      grant: 1,
      credential: 1,
      name: 'k',
    }),
  );
const commit = async (records: StateRecord[], urgent = false) => {
  const { revision } = await db.write(realm, actor, async () => ({ value: null, records, urgent, summary: [], audit: [] }));
  return revision ?? 0;
};
const headDigest = async () => Buffer.from((await db.head(realm)).stateDigest).toString('hex');

test('a node without state gets a snapshot, then every revision, and ends with the state of the control plane', async () => {
  await commit([tiers('gold')]);
  const { hub, url } = await start();
  const one = node(url);
  expect((await one.join()).intent).toBe('snapshot');
  await commit([key('aaaaaaaaaaaa')]);
  hub.wake(realm);
  const revision = await commit([deleteRecord(ENTITY.key, 'aaaaaaaaaaaa'), key('bbbbbbbbbbbb')], true);
  hub.wake(realm);
  await one.until(() => one.revision === revision);
  expect(one.digest).toBe(await headDigest());
  expect(one.frames.some((frame) => frame.type === 'batch' && frame.urgent)).toBe(true);
});

test('a node that was away a little gets the delta, one that is current gets nothing', async () => {
  const { url } = await start();
  await commit([tiers('gold')]);
  const keys = generateSealingKey();
  const before = node(url, 'node-a', { keys });
  await before.join();
  before.socket.close();
  await before.closed;
  const back = (over: object) => Object.assign(node(url, 'node-a', { keys }), over);
  const current = back({ epoch: before.epoch, revision: before.revision, chain: before.chain, state: before.state });
  expect((await current.join()).intent).toBe('none');
  current.socket.close();
  await current.closed;
  await commit([tiers('silver')]);
  const behind = back({ epoch: before.epoch, revision: before.revision, chain: before.chain, state: before.state });
  expect((await behind.join()).intent).toBe('delta');
  expect(behind.digest).toBe(await headDigest());
});

test('the delta is taken while it is smaller than the snapshot, else the snapshot', async () => {
  const { url } = await start();
  await commit([tiers('gold')]);
  const one = node(url);
  await one.join();
  const { epoch, revision, chain, state } = one;
  one.socket.close();
  for (let i = 0; i < 520; i++) await commit([tiers(`t${i}`)]);
  const late = Object.assign(node(url, 'node-b'), { epoch, revision, chain, state });
  expect((await late.join()).intent).toBe('snapshot');
  expect(late.digest).toBe(await headDigest());
}, 60_000);

test('all nodes get the same bytes, and a wake is not kept waiting for the poll', async () => {
  const { hub, url } = await start({ pace: { pollMs: 60_000 } });
  const nodes = ['a', 'b', 'c'].map((name) => node(url, name));
  await Promise.all(nodes.map((one) => one.join()));
  const revision = await commit([tiers('gold')]);
  hub.wake(realm);
  const done = await hub.convergence(realm, revision, 5_000);
  expect(done).toMatchObject({ revision, nodes: 3, reached: 3, converged: true, pending: [] });
  expect(done.elapsedMs).toBeLessThan(2_000);
  expect(new Set(nodes.map((one) => one.digest)).size).toBe(1);
});

test('a revision of another replica arrives by the poll alone, and convergence counts the nodes of both', async () => {
  const one = await start();
  const two = await start();
  const a = node(one.url, 'a');
  const b = node(two.url, 'b');
  await a.join();
  await b.join();
  const revision = await commit([tiers('gold')]);
  one.hub.wake(realm);
  const done = await one.hub.convergence(realm, revision, 5_000);
  expect(done).toMatchObject({ nodes: 2, reached: 2, converged: true });
  expect((await two.hub.list(realm)).map(({ name, state }) => [name, state])).toEqual([
    ['a', 'converged'],
    ['b', 'converged'],
  ]);
});

test('a node that does not ack is named as pending when the time is over; without nodes everything is converged', async () => {
  const { hub, url } = await start();
  const first = await commit([tiers('gold')]);
  expect(await hub.convergence(realm, first, 1_000)).toMatchObject({ nodes: 0, converged: true });
  const mute = node(url, 'mute', { acks: false });
  await mute.join();
  await node(url, 'quick').join();
  const revision = await commit([tiers('silver')]);
  hub.wake(realm);
  expect(await hub.convergence(realm, revision, 300)).toMatchObject({
    nodes: 2,
    reached: 1,
    converged: false,
    pending: ['mute'],
  });
  mute.ack();
  expect(await hub.convergence(realm, revision, 2_000)).toMatchObject({ converged: true });
  mute.socket.terminate();
  const next = await commit([tiers('bronze')]);
  hub.wake(realm);
  expect(await hub.convergence(realm, next, 3_000)).toMatchObject({ nodes: 1, converged: true });
});

test('the peppers and the disk key come sealed, before the key that needs them, and again when the ring grows', async () => {
  const { hub, url } = await start();
  const one = node(url);
  await one.join();
  await one.heard('secrets');
  expect(Object.keys(one.secrets?.peppers ?? {})).toEqual(['1']);
  expect(Buffer.from(one.secrets?.diskKey ?? '', 'base64')).toHaveLength(32);
  const store = new LocalSecretStore({ prisma: db.prisma, kek, realm, clock: Date.now });
  await store.set(PEPPER_PATH, 'pepper.2', Secret.fromText(randomBytes(32).toString('base64')), 'test');
  await store.set(PEPPER_PATH, 'current', Secret.fromText('2'), 'test');
  const revision = await commit([key('cccccccccccc', 2)]);
  hub.wake(realm);
  await one.until(() => one.revision === revision);
  expect(Object.keys(one.secrets?.peppers ?? {})).toEqual(['1', '2']);
  const generation = one.secrets?.generation;
  one.socket.close();
  await one.closed;
  const again = node(url, 'node-a', { keys: one.keys });
  await again.join({ secretsGeneration: generation ?? null });
  expect(again.said.some(({ t }) => t === 'secrets')).toBe(false);
});

test('a secret store that never answers holds back neither a joining node, nor a revocation, nor the pings', async () => {
  const stuck = new Proxy({} as SecretStore, { get: () => () => new Promise(() => undefined) });
  const { hub, url } = await start({ secretsOf: () => stuck, pace: { silenceMs: 1_500 } });
  const one = node(url);
  await one.join();
  const revision = await commit([tiers('gold'), key('dddddddddddd', 9)]);
  hub.wake(realm);
  const startMs = Date.now();
  await one.until(() => one.revision === revision, 4_000);
  expect(Date.now() - startMs).toBeLessThan(3_000);
  // Longer than a silent socket may live: the pings go on.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect([hub.connected, one.said.some(({ t }) => t === 'goodbye')]).toEqual([1, false]);
}, 20_000);

test('which nodes verify with a ring is known across replicas, from what each node says and not from what it was sent', async () => {
  const [here, there] = [await start(), await start()];
  const one = node(here.url, 'node-a');
  const two = node(there.url, 'node-b');
  await Promise.all([one.join(), two.join()]);
  await Promise.all([one.heard('secrets'), two.heard('secrets')]);
  const generation = one.secrets?.generation ?? '';
  expect(await here.hub.secretsSpread(realm, generation)).toEqual({ nodes: 2, reached: 0, pending: ['node-a', 'node-b'] });
  one.say({ t: 'secrets_ack', generation });
  two.say({ t: 'secrets_ack', generation });
  const both = async (): Promise<boolean> => (await here.hub.secretsSpread(realm, generation)).reached === 2;
  for (let i = 0; i < 100 && !(await both()); i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await here.hub.secretsSpread(realm, generation)).toEqual({ nodes: 2, reached: 2, pending: [] });
  expect(await there.hub.secretsSpread(realm, 'another')).toMatchObject({ reached: 0, pending: ['node-a', 'node-b'] });
  // A node that has left does not hold up a rotation.
  two.socket.close();
  await two.closed;
  for (let i = 0; i < 100 && (await here.hub.secretsSpread(realm, generation)).nodes > 1; i += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await here.hub.secretsSpread(realm, generation)).toMatchObject({ nodes: 1, reached: 1 });
});

test('the disk key stays the same for a node and its key, and differs for any other', async () => {
  const { url } = await start();
  const keyOf = async (name: string, keys = generateSealingKey()) => {
    const one = node(url, name, { keys });
    await one.join();
    await one.heard('secrets');
    one.socket.close();
    await one.closed;
    return one.secrets?.diskKey;
  };
  const keys = generateSealingKey();
  const first = await keyOf('a', keys);
  expect(await keyOf('a', keys)).toBe(first);
  expect(await keyOf('b', keys)).not.toBe(first);
  expect(await keyOf('a')).not.toBe(first);
});

const upgradeStatus = (port: number, headers: Record<string, string>, path = '/v1/sync') =>
  new Promise<number>((resolve, reject) => {
    const wanted = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    const sent = request({ port, host: '127.0.0.1', path, headers: { ...wanted, ...headers } });
    sent.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('upgrade', (_, socket) => {
      socket.destroy();
      resolve(101);
    });
    sent.on('error', reject);
    sent.end();
  });

test('no token, a wrong token and another path are refused; an outage while judging is 503, never 401', async () => {
  const { port } = await start({
    verifyNodeToken: async (token) => {
      if (token === 'outage') throw new DatabaseUnavailable('away');
      return null;
    },
  });
  expect(await upgradeStatus(port, {})).toBe(401);
  expect(await upgradeStatus(port, { authorization: 'Bearer wrong' })).toBe(401);
  expect(await upgradeStatus(port, { authorization: 'Basic good-token' })).toBe(401);
  expect(await upgradeStatus(port, { authorization: 'Bearer outage' })).toBe(503);
  expect(await upgradeStatus(port, { authorization: 'Bearer wrong' }, '/v1/other')).toBe(404);
});

test('garbage, binary, an early message, a second hello and silence before the hello end the socket, and are logged', async () => {
  const { url } = await start({ pace: { helloMs: 150 } });
  const cases: [string, (one: TestNode) => void, string][] = [
    ['text', (one) => one.socket.send('garbage'), 'not_a_message'],
    ['binary', (one) => one.socket.send(randomBytes(20)), 'not_a_message'],
    ['early', (one) => one.say({ t: 'usage', bootId: one.bootId, seq: 1, entries: [] }), 'unexpected_message'],
    ['silent', () => undefined, 'hello_timeout'],
    ['version', (one) => one.say(one.hello({ protocol: 9 })), 'protocol_version'],
    ['name', (one) => one.say(one.hello({ node: '../x' })), 'bad_hello'],
    ['key', (one) => one.say(one.hello({ publicKey: 'AAAA' })), 'bad_hello'],
  ];
  for (const [name, act, reason] of cases) {
    const one = node(url, name);
    await one.opened;
    act(one);
    expect([name, (await one.closed).reason]).toEqual([name, reason]);
  }
  const twice = node(url, 'twice');
  await twice.join();
  twice.say(twice.hello());
  expect((await twice.closed).reason).toBe('unexpected_message');
  expect(logged(/something else than the protocol/)).toBe(true);
});

test('an oversized message ends the socket and nothing else', async () => {
  const { hub, url } = await start();
  const big = node(url, 'big');
  await big.join();
  const other = node(url, 'other');
  await other.join();
  big.socket.send('x'.repeat(5 * 1024 * 1024));
  expect((await big.closed).code).toBe(1009);
  const revision = await commit([tiers('gold')]);
  hub.wake(realm);
  expect(await hub.convergence(realm, revision, 3_000)).toMatchObject({ nodes: 1, converged: true });
});

test('a node that lies about what it has is cut off and logged', async () => {
  const { url } = await start();
  await commit([tiers('gold')]);
  const lies: [string, (one: TestNode) => void][] = [
    ['ahead', (one) => one.ack({ applied: one.revision + 1, durable: 0 })],
    ['durable', (one) => one.ack({ durable: one.revision + 1 })],
    ['digest', (one) => one.ack({ digest: '00'.repeat(32) })],
    ['back', (one) => one.ack({ applied: 0, durable: 0 })],
    ['boot', (one) => one.say({ t: 'usage', bootId: 'another-boot', seq: 1, entries: [] })],
  ];
  for (const [name, act] of lies) {
    const one = node(url, name);
    await one.join();
    one.ack();
    act(one);
    expect([name, (await one.closed).reason]).toEqual([name, 'lie']);
  }
  expect(lines.filter((line) => line.level === 'error' && /closed a node/.test(line.message))).toHaveLength(lies.length);
});

test('a node at the head with another state gets a snapshot', async () => {
  const { url } = await start();
  await commit([tiers('gold')]);
  const one = node(url);
  await one.join();
  one.socket.close();
  await one.closed;
  const back = Object.assign(node(url, 'node-a', { keys: one.keys }), {
    epoch: one.epoch,
    revision: one.revision,
    chain: one.chain,
  });
  expect((await back.join({ digest: 'ab'.repeat(32) })).intent).toBe('snapshot');
  await back.until(() => back.frames.some(({ type }) => type === 'snapshot'));
  expect(back.digest).toBe(await headDigest());
});

test('a node with a history the database lost brings a new epoch, audited, in which it takes the state as it is', async () => {
  const { url } = await start();
  await commit([tiers('gold')]);
  const keys = generateSealingKey();
  const { epoch } = await db.head(realm);
  const ahead = Object.assign(node(url, 'node-a', { keys }), { epoch, revision: 40, chain: randomBytes(32) });
  await ahead.opened;
  ahead.say(ahead.hello());
  expect((await ahead.closed).reason).toBe('new_epoch');
  const back = Object.assign(node(url, 'node-a', { keys }), { epoch, revision: 40, chain: ahead.chain });
  const welcome = await back.join();
  expect(welcome.intent).toBe('snapshot');
  expect(welcome.epoch).not.toBe(epoch);
  await back.until(() => back.revision === 1);
  const audit = await db.prisma.auditEvent.findMany({ where: { realm, action: 'sync.new_epoch' } });
  expect(audit).toHaveLength(1);
  const liar = Object.assign(node(url, 'node-b'), { epoch: back.epoch, revision: 99, chain: randomBytes(32) });
  await liar.opened;
  liar.say(liar.hello());
  expect((await liar.closed).reason).toBe('lie');
  expect((await db.head(realm)).epoch).toBe(back.epoch);
});

test('a revision that does not continue the chain is never sent', async () => {
  const { hub, url } = await start();
  const one = node(url);
  await one.join();
  const head = await db.head(realm);
  await db.prisma.$executeRaw`INSERT INTO revision (realm, revision, records, chain, state_digest, summary, actor)
    VALUES (${realm}, ${head.revision + 1}::bigint, ${Buffer.from('00000000', 'hex')}, ${randomBytes(32)}, ${randomBytes(32)}, '[]', 'intruder')`;
  await db.prisma.realm.update({ where: { name: realm }, data: { revision: head.revision + 1 } });
  hub.wake(realm);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(one.revision).toBe(head.revision);
  expect(logged(/cannot be followed/)).toBe(true);
});

test('two machines with one name: the second is refused while the first lives; the same node replaces its own socket', async () => {
  const { url } = await start();
  const first = node(url, 'same');
  await first.join();
  const stranger = node(url, 'same');
  await stranger.opened;
  stranger.say(stranger.hello());
  expect((await stranger.closed).reason).toBe('node_name_taken');
  const itself = node(url, 'same', { keys: first.keys });
  await itself.join();
  expect((await first.closed).reason).toBe('replaced');
});

test('a first enrolment and a new key under a known name are audited', async () => {
  const { url } = await start();
  for (let i = 0; i < 2; i++) {
    const one = node(url, 'rekeyed');
    await one.join();
    one.socket.close();
    await one.closed;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const audit = await db.prisma.auditEvent.findMany({ where: { realm }, orderBy: { seq: 'asc' } });
  expect(audit.map(({ action, actor: who, target }) => [action, who, target])).toEqual([
    ['nodes.enrol', 'node/rekeyed', 'node/rekeyed'],
    ['nodes.rekey', 'node/rekeyed', 'node/rekeyed'],
  ]);
});

test('a disconnected or revoked token cuts its nodes off, and only those', async () => {
  const { hub, url } = await start();
  const one = node(url, 'one');
  const other = node(url, 'other', { token: 'other-token' });
  await one.join();
  await other.join();
  hub.disconnect('nodetoken001');
  expect((await one.closed).reason).toBe('token_ended');
  expect(hub.connected).toBe(1);
  await db.prisma.accessToken.create({
    data: {
      kid: 'nodetoken002',
      kind: 'node',
      realm,
      name: 'n',
      role: 'node',
      digest: randomBytes(32),
      createdBy: 't',
      revokedAt: new Date(),
    },
  });
  // Revoked at another replica: found by the sweep.
  expect((await other.closed).reason).toBe('token_ended');
  await db.prisma.accessToken.delete({ where: { kid: 'nodetoken002' } });
});

test('leases are granted from the table, never more than the limit over all nodes, and returns are credited', async () => {
  const { url } = await start();
  await db.prisma.credential.create({
    data: {
      id: `key_${realm}`,
      realm,
      number: 1,
      name: 'k',
      grantNumber: 1,
      versions: {
        create: {
          kid: `kid${realm}`.padEnd(12, '0'),
          realm,
          number: 1,
          digest: randomBytes(16),
          pepperVersion: 1,
          lastFour: 'aaaa',
          state: 'active',
          budgetLimit: 50,
        },
      },
    },
  });
  const subject = { kind: 'budget' as const, kid: `kid${realm}`.padEnd(12, '0') };
  const nodes = [node(url, 'a'), node(url, 'b')];
  await Promise.all(nodes.map((one) => one.join()));
  let total = 0;
  await Promise.all(
    nodes.map(async (one) => {
      for (let id = 1; ; id++) {
        one.say({ t: 'lease_request', id, subject, want: 7 });
        const grant = await one.heard('lease_grant', (message) => message.id === id);
        total += grant.granted;
        if (grant.exhausted) return;
      }
    }),
  );
  expect(total).toBe(50);
  const [a] = nodes as [TestNode, TestNode];
  const lease = await a.heard('lease_grant', ({ granted }) => granted > 0);
  a.say({ t: 'lease_return', leaseId: lease.leaseId, subject, amount: 1 });
  a.say({ t: 'lease_return', leaseId: lease.leaseId, subject, amount: 1 });
  a.say({ t: 'lease_request', id: 1_000, subject, want: 1 });
  await a.heard('lease_grant', ({ id }) => id === 1_000);
  const version = await db.prisma.keyVersion.findUniqueOrThrow({ where: { kid: subject.kid } });
  expect(Number(version.budgetAllotted)).toBe(50);
  a.say({
    t: 'usage',
    bootId: a.bootId,
    seq: 1,
    entries: [
      { kid: subject.kid, day: '2026-11-21', allowed: 3, refused: 0, lastUsedS: 1, lastAddress: null, lastUserAgent: null },
    ],
  });
  a.say({
    t: 'usage',
    bootId: a.bootId,
    seq: 1,
    entries: [
      { kid: subject.kid, day: '2026-11-21', allowed: 3, refused: 0, lastUsedS: 1, lastAddress: null, lastUserAgent: null },
    ],
  });
  await a.until(() => a.said.filter(({ t }) => t === 'usage_ack').length === 2);
  expect((await db.prisma.usageDay.findMany({ where: { realm } })).map(({ allowed }) => Number(allowed))).toEqual([3]);
});

test('without the database a lease request is answered with nothing, not with an end of the limit', async () => {
  const away = async () => {
    throw new DatabaseUnavailable('away');
  };
  const { url } = await start({ db: { ...db, leases: { grant: away, giveBack: away } } });
  const one = node(url);
  await one.join();
  one.say({ t: 'lease_request', id: 1, subject: { kind: 'budget', kid: 'x'.repeat(12) }, want: 5 });
  expect(await one.heard('lease_grant')).toMatchObject({ granted: 0, exhausted: false });
});

test('a node that stops reading holds up nobody, costs bounded memory, and catches up when it reads again', async () => {
  const { hub, url } = await start({ pace: { silenceMs: 20_000 } });
  const slow = node(url, 'slow');
  const quick = node(url, 'quick');
  await slow.join();
  await quick.join();
  slow.socket.pause();
  const blob = 'x'.repeat(900_000);
  let revision = 0;
  for (let i = 0; i < 12; i++) {
    revision = await commit([put(ENTITY.tiers, '', [{ name: `${blob}${i}`, scope: 's', rate: { limit: 1, perMs: 1 } }])]);
    hub.wake(realm);
  }
  await quick.until(() => quick.revision === revision, 10_000);
  expect(slow.revision).toBeLessThan(revision);
  slow.socket.resume();
  await slow.until(() => slow.revision === revision, 10_000);
  expect(slow.digest).toBe(quick.digest);
}, 30_000);

test('heartbeats tell the head once a beat, and a silent socket is ended', async () => {
  const { hub, url } = await start({ pace: { silenceMs: 300, sweepMs: 50 } });
  const one = node(url);
  await one.join();
  await one.until(() => one.frames.filter(({ type }) => type === 'heartbeat').length >= 3);
  const mute = node(url, 'mute');
  await mute.join();
  mute.socket.pause(); // answers no ping
  await expect(
    new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (hub.connected === 1) {
          clearInterval(timer);
          resolve();
        }
      }, 20);
    }),
  ).resolves.toBeUndefined();
  expect(logged(/a node is silent/)).toBe(true);
});

test('nodes are told when the control plane goes, and are listed as offline afterwards', async () => {
  const { hub, url } = await start();
  const one = node(url);
  await one.join();
  one.ack({ quarantined: [{ kind: 'route', id: 'x', why: 'test' }] });
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(await hub.list(realm)).toMatchObject([
    { name: 'node-a', state: 'quarantine', quarantined: [{ kind: 'route', id: 'x', why: 'test' }] },
  ]);
  await hub.close();
  expect((await one.closed).code).toBe(1001);
  expect(await one.heard('goodbye')).toMatchObject({ reason: 'shutting_down' });
  expect(await hub.list(realm)).toMatchObject([{ name: 'node-a', state: 'offline' }]);
});
