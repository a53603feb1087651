import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENTITY, FromNode, generateSealingKey, jsonPayload, putRecord, sealTo, type ToNode } from '@fluxgate/protocol/sync';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { attachKeyIndex } from '../memory/key-index-reader.ts';
import { createLeaseMemory } from '../memory/lease-layout.ts';
import type { KeyIndexReader } from '../memory/ports.ts';
import { grant, key, kidOf, route, routeNames, routeSpec, TestRealm } from './fixtures.ts';
import { CannotRun, Identity } from './identity.ts';
import { SyncNode } from './node.ts';
import type { FromWorker, SyncStatus, ToWorker } from './thread-messages.ts';

const PEPPER = Buffer.alloc(32, 0x5a);

/** A worker that attaches to what it is given and confirms plans at once, unless told to be slow. */
class FakeWorker {
  readonly got: ToWorker[] = [];
  index: KeyIndexReader | null = null;
  routes: string[] = [];
  isSlow = false;
  #listener: (message: FromWorker) => void = () => undefined;
  readonly answers: string[] = [];

  postMessage(message: ToWorker): void {
    this.got.push(message);
    if (message.t === 'index') this.index = attachKeyIndex(message.handles);
    if (message.t === 'lease-answer') this.answers.push(message.outcome);
    if (message.t === 'plan' && !this.isSlow) this.confirm(message.sequence, message.config);
  }
  confirm(sequence: number, config: string, fault: string | null = null): void {
    this.routes = routeNames(config);
    this.say({ t: 'plan-applied', sequence, fault });
  }
  on(_event: 'message', listener: (message: FromWorker) => void): void {
    this.#listener = listener;
  }
  close(): void {}
  say(message: FromWorker): void {
    this.#listener(message);
  }
  lastPlan(): Extract<ToWorker, { t: 'plan' }> {
    const plan = this.got.findLast((message) => message.t === 'plan');
    if (plan?.t !== 'plan') throw new Error('no plan');
    return plan;
  }
}

class FakeLine {
  sent: FromNode[] = [];
  drops: string[] = [];
  onDrop: (why: string) => void = () => undefined;
  send(message: object): boolean {
    // What leaves must be of the protocol.
    this.sent.push(FromNode.parse(message));
    return true;
  }
  drop(why: string): void {
    this.drops.push(why);
    this.onDrop(why);
  }
  settled(): void {}
  postpone(): void {}
  last<T extends FromNode['t']>(t: T): Extract<FromNode, { t: T }> {
    const found = this.sent.findLast((message) => message.t === t);
    if (found === undefined) throw new Error(`nothing of ${t} was sent`);
    return found as Extract<FromNode, { t: T }>;
  }
}

let dir: string;
let realm: TestRealm;
const logged: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fluxgate-node-'));
  realm = new TestRealm().write(grant(), key(1)).write(route('a'));
  logged.length = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function start(workers = 1) {
  let now = 1_000_000;
  let status: SyncStatus | null = null;
  let ready = 0;
  const commands: string[] = [];
  const line = new FakeLine();
  const identity = Identity.open(dir, realm.token);
  const node = new SyncNode({
    data: {
      controlPlanes: [],
      nodeToken: realm.tokenText,
      nodeName: 'n1',
      dataDir: dir,
      version: '0.0.0',
      bootId: 'boot-0001',
      workers,
      leases: createLeaseMemory([1, 2], now, 256),
      caPem: null,
    },
    token: realm.token,
    identity,
    line,
    nowMs: () => now,
    monotonicMs: () => now,
    log: (level, event, fields) => logged.push(`${level} ${event} ${JSON.stringify(fields)}`),
    onStatus: (told) => {
      status = told;
    },
    onReady: () => {
      ready += 1;
    },
    onCommand: (command) => commands.push(command.name),
  });
  line.onDrop = (why) => node.onDown(why);
  const crew = Array.from({ length: workers }, () => new FakeWorker());
  node.boot();
  for (const [n, worker] of crew.entries()) node.joinWorker(n, worker);
  const say = (message: ToNode): void => node.onText(JSON.stringify(message));
  return {
    node,
    line,
    crew,
    worker: crew[0]!,
    identity,
    say,
    ready: () => ready,
    pass: (ms: number) => (now += ms),
    status: () => {
      node.second();
      if (status === null) throw new Error('no status');
      return status as SyncStatus;
    },
    join(intent: 'none' | 'delta' | 'snapshot') {
      node.onOpen('ws://cp');
      say(realm.welcome(intent));
    },
    bytes: (...frames: Buffer[]) => {
      for (const frame of frames) node.onBytes(frame);
    },
  };
}

function joined() {
  const room = start();
  room.join('snapshot');
  room.bytes(...realm.snapshot());
  return room;
}

describe('a node', () => {
  test('without any state says so, takes a snapshot, serves it, keeps it and acknowledges it', () => {
    const { line, worker, ready, status, join, bytes } = start();
    expect(ready()).toBe(1);
    expect(status()).toMatchObject({ state: 'empty', connected: false });
    join('snapshot');
    expect(line.last('hello')).toMatchObject({ epoch: null, revision: 0, chain: null });
    bytes(...realm.snapshot());
    expect(worker.index?.find(kidOf(1))?.state).toBe(0);
    expect(worker.index?.grant(1)).toContain('read:orders');
    expect(worker.routes).toEqual(['a']);
    expect(line.last('ack')).toMatchObject({
      epoch: 'epoch-1',
      applied: 2,
      durable: 2,
      digest: Buffer.from(realm.digest).toString('hex'),
      quarantined: [],
    });
    expect(status()).toMatchObject({ state: 'live', applied: 2, durable: 2, head: 2, keys: 1 });
  });

  test('a revocation decides requests the moment it is read, needs no worker, and is on disk before it is acknowledged as durable', () => {
    const { line, worker, bytes } = joined();
    const plans = worker.got.filter((message) => message.t === 'plan').length;
    realm.write(key(1, 'revoked'));
    bytes(realm.batch(2, 3, true));
    expect(worker.index?.find(kidOf(1))?.state).toBe(2);
    expect(worker.got.filter((message) => message.t === 'plan')).toHaveLength(plans);
    expect(line.last('ack')).toMatchObject({ applied: 3, durable: 3, digest: Buffer.from(realm.digest).toString('hex') });
    expect(readFileSync(join(dir, 'wal-2.fgl')).length).toBeGreaterThan(0);
  });

  test('a changed route counts as applied when every worker has it, and not before', () => {
    const room = start(2);
    room.join('snapshot');
    room.bytes(...realm.snapshot());
    const slow = room.crew[1]!;
    slow.isSlow = true;
    realm.write(route('b'));
    room.bytes(realm.batch(2));
    realm.write(key(5));
    room.bytes(realm.batch(3));
    expect(room.line.last('ack').applied).toBe(2);
    slow.confirm(slow.lastPlan().sequence, slow.lastPlan().config);
    expect(room.line.last('ack').applied).toBe(4);
    expect(slow.routes).toEqual(['a', 'b']);
  });

  test('a worker that died is not waited for, and one that joins is', () => {
    const room = start(2);
    room.join('snapshot');
    room.bytes(...realm.snapshot());
    room.crew[1]!.isSlow = true;
    realm.write(route('b'));
    room.bytes(realm.batch(2));
    room.node.leaveWorker(1);
    expect(room.line.last('ack').applied).toBe(3);
    const fresh = new FakeWorker();
    room.node.joinWorker(1, fresh);
    expect(fresh.routes).toEqual(['a', 'b']);
    expect(fresh.got.map((message) => message.t).slice(0, 2)).toEqual(['index', 'link']);
  });

  test('starts from its disk with the control plane dead: keys, grants, routes and peppers are there', () => {
    const first = joined();
    realm.write(key(1, 'revoked')).write(key(2));
    first.bytes(realm.batch(2, 3, true), realm.batch(3));
    const publicKey = Buffer.from(first.line.last('hello').publicKey, 'base64');
    const content = {
      generation: 'g1',
      peppers: { '1': PEPPER.toString('base64') },
      diskKey: Buffer.alloc(32).toString('base64'),
    };
    first.say({
      t: 'secrets',
      generation: 'g1',
      sealed: sealTo(publicKey, Buffer.from(JSON.stringify(content))).toString('base64'),
    });
    first.node.stop();

    const second = start();
    expect(second.worker.routes).toEqual(['a']);
    expect(second.worker.index?.find(kidOf(1))?.state).toBe(2);
    expect(second.worker.index?.find(kidOf(2))?.state).toBe(0);
    expect(second.worker.got).toContainEqual({ t: 'peppers', generation: 'g1', peppers: [[1, new Uint8Array(PEPPER)]] });
    expect(second.status()).toMatchObject({ state: 'static', applied: 4, durable: 4, connected: false, secretsGeneration: 'g1' });
    second.node.onOpen('ws://cp');
    expect(second.line.last('hello')).toMatchObject({
      epoch: 'epoch-1',
      revision: 4,
      secretsGeneration: 'g1',
      digest: Buffer.from(realm.digest).toString('hex'),
    });
  });

  test('says that it verifies with a ring only when every worker does, and says it again after a reconnect', () => {
    const { line, say, worker, node } = joined();
    const second = new FakeWorker();
    node.joinWorker(2, second);
    const publicKey = Buffer.from(line.last('hello').publicKey, 'base64');
    const content = {
      generation: 'g1',
      peppers: { '1': PEPPER.toString('base64') },
      diskKey: Buffer.alloc(32).toString('base64'),
    };
    say({ t: 'secrets', generation: 'g1', sealed: sealTo(publicKey, Buffer.from(JSON.stringify(content))).toString('base64') });
    const acks = () => line.sent.filter((message) => message.t === 'secrets_ack').length;
    worker.say({ t: 'peppers-applied', generation: 'g1' });
    expect(acks()).toBe(0);
    second.say({ t: 'peppers-applied', generation: 'g1' });
    second.say({ t: 'peppers-applied', generation: 'g1' });
    expect([acks(), line.last('secrets_ack')]).toEqual([1, { t: 'secrets_ack', generation: 'g1' }]);
  });

  test('keeps secrets and its key out of every file but the sealed ones, and its key from other users', () => {
    const { line, say, node } = joined();
    const content = {
      generation: 'g1',
      peppers: { '1': PEPPER.toString('base64') },
      diskKey: Buffer.alloc(32).toString('base64'),
    };
    const publicKey = Buffer.from(line.last('hello').publicKey, 'base64');
    say({ t: 'secrets', generation: 'g1', sealed: sealTo(publicKey, Buffer.from(JSON.stringify(content))).toString('base64') });
    node.stop();
    for (const name of readdirSync(dir)) {
      const bytes = readFileSync(join(dir, name));
      expect(bytes.includes(PEPPER)).toBe(false);
      expect(bytes.includes(PEPPER.toString('base64'))).toBe(false);
      expect(bytes.includes(realm.token.secret)).toBe(false);
    }
    expect(statSync(join(dir, 'node.key')).mode & 0o777).toBe(0o600);
    expect(logged.join()).not.toContain(PEPPER.toString('base64'));
  });

  test('garbage, forged and damaged frames change nothing, are logged, and end the connection', () => {
    const forger = new TestRealm();
    forger.write(grant(), key(1)).write(route('a')).write(key(66));
    const damaged = (frame: Buffer) => Object.assign(Buffer.from(frame), { [frame.length - 70]: frame[frame.length - 70]! ^ 1 });
    realm.write(key(7));
    for (const bad of [
      Buffer.from('garbage'),
      Buffer.alloc(0),
      forger.batch(2),
      damaged(realm.batch(2)),
      realm.batch(2).subarray(0, 50),
    ]) {
      const room = start();
      room.join('snapshot');
      const before = room.worker.routes;
      room.bytes(bad);
      expect(room.line.drops).toHaveLength(1);
      expect(room.worker.routes).toEqual(before);
      expect(room.worker.index?.size).toBe(0);
      expect(room.status()).toMatchObject({ connected: false, frames: { applied: 0, refused: 1 } });
      expect(room.status().trouble).not.toBeNull();
      room.node.stop();
    }
    expect(logged.filter((text) => text.startsWith('warn refused')).length).toBe(5);
  });

  test('after a refusal it comes again, and goes on from what it holds', () => {
    const room = joined();
    room.node.onText('{"t":"no such message"}');
    expect(room.line.drops).toHaveLength(1);
    realm.write(key(2));
    room.join('delta');
    expect(room.line.last('hello')).toMatchObject({ revision: 2, chain: Buffer.from(realm.chains[2]!).toString('hex') });
    room.bytes(realm.batch(2));
    expect(room.line.last('ack').applied).toBe(3);
  });

  test('believes no control plane that does not hold the key named in its token', () => {
    const room = start();
    room.node.onOpen('ws://cp');
    const other = new TestRealm();
    room.say(other.welcome('snapshot'));
    expect(room.line.drops[0]).toMatch(/signing key/);
    expect(room.identity.pinned).toEqual([]);
  });

  test('secrets that were sealed to another node are refused', () => {
    const room = joined();
    room.say({
      t: 'secrets',
      generation: 'g',
      sealed: sealTo(generateSealingKey().publicKey, Buffer.from('{}')).toString('base64'),
    });
    expect(room.line.drops).toHaveLength(1);
    expect(room.worker.got.some((message) => message.t === 'peppers')).toBe(false);
  });

  test('a database that was restored comes as a new epoch: a whole snapshot in new memory, and the old epoch is never believed again', () => {
    const room = joined();
    const old = { welcome: realm.welcome('snapshot'), frames: realm.snapshot() };
    const keys = { pair: realm.pair, signer: realm.signer };
    realm = Object.assign(new TestRealm('epoch-2'), keys);
    realm.write(grant(), key(3));
    room.node.onDown('closed');
    room.join('snapshot');
    const before = room.worker.index;
    room.bytes(...realm.snapshot());
    expect(room.worker.index).not.toBe(before);
    expect(room.worker.index?.find(kidOf(1))).toBeNull();
    expect(room.worker.index?.find(kidOf(3))?.state).toBe(0);
    expect(room.line.last('ack')).toMatchObject({ epoch: 'epoch-2', applied: 1, durable: 1 });
    room.node.onDown('closed');
    room.node.onOpen('ws://cp');
    room.say(old.welcome);
    room.bytes(...old.frames);
    expect(room.worker.index?.find(kidOf(1))).toBeNull();
    expect(room.line.drops[0]).toMatch(/has left/);
  });

  test('holds an entity it cannot read, says which, and takes everything else', () => {
    const room = joined();
    const bad = { ...route('a'), payload: Buffer.from('{"name":"a","prefix":"/new","future":1}') };
    realm.write(bad, key(1, 'revoked'));
    room.bytes(realm.batch(2));
    expect(room.worker.routes).toEqual(['a']);
    expect(room.worker.index?.find(kidOf(1))?.state).toBe(2);
    expect(room.line.last('ack')).toMatchObject({ applied: 3, quarantined: [{ kind: 'route', id: 'a' }] });
  });

  test('a plan that the workers cannot compile is told, and does not hold back later revocations', () => {
    const room = joined();
    room.worker.isSlow = true;
    realm.write(route('b'));
    room.bytes(realm.batch(2));
    room.worker.confirm(room.worker.lastPlan().sequence, room.worker.lastPlan().config, 'route b makes no sense');
    expect(room.line.last('ack')).toMatchObject({ applied: 3, quarantined: [{ kind: 'plan', why: 'route b makes no sense' }] });
    realm.write(key(1, 'revoked'));
    room.bytes(realm.batch(3, 4, true));
    expect(room.line.last('ack').applied).toBe(4);
  });

  test('asks for leases on behalf of its workers, and asks again when the line that was lost is back', () => {
    const room = joined();
    room.worker.say({ t: 'lease', id: 5, subject: 'q:9:2026-11-21' });
    const request = room.line.last('lease_request');
    expect(request.subject).toEqual({ kind: 'quota', credential: 9, window: '2026-11-21' });
    room.say({
      t: 'lease_grant',
      id: request.id,
      leaseId: 'l',
      granted: 4,
      exhausted: false,
      limit: 10,
      left: 6,
      remainingMs: 1000,
      idleReturnMs: 1000,
    });
    room.worker.say({ t: 'lease', id: 6, subject: 'b:kid000000001' });
    room.node.onDown('cut');
    expect(room.worker.answers).toEqual(['granted']);
    room.join('none');
    expect(room.line.last('lease_request').subject).toEqual({ kind: 'budget', kid: 'kid000000001' });
    expect(room.line.last('lease_request').id).not.toBe(request.id);
  });

  test('usage of its workers reaches the control plane, and is sent again until it is acknowledged', () => {
    const room = joined();
    const entry = {
      kid: kidOf(1),
      day: '2026-11-21',
      allowed: 3,
      refused: 0,
      lastUsedS: 5,
      lastAddress: '10.0.0.1',
      lastUserAgent: null,
    };
    room.worker.say({ t: 'usage', entries: [entry] });
    const report = room.line.last('usage');
    expect(report).toMatchObject({ bootId: 'boot-0001', entries: [entry] });
    room.node.onDown('cut');
    room.join('none');
    expect(room.line.last('usage')).toEqual(report);
    expect(room.line.sent.filter((message) => message.t === 'usage')).toHaveLength(2);
  });

  test('after a restart of the thread nothing counts as applied before the workers have it', () => {
    joined().node.stop();
    const again = start(0);
    expect(again.ready()).toBe(0);
    const worker = new FakeWorker();
    worker.isSlow = true;
    again.node.joinWorker(0, worker);
    expect(again.ready()).toBe(0);
    worker.confirm(worker.lastPlan().sequence, worker.lastPlan().config);
    expect(again.ready()).toBe(1);
  });

  test('a data directory of another realm, or without a key that is one, is a refusal with a remedy', () => {
    joined().node.stop();
    expect(() => Identity.open(dir, { ...realm.token, realm: 'staging' })).toThrow(CannotRun);
    const other = join(dir, 'other');
    mkdirSync(other);
    expect(Identity.open(other, realm.token).pinned).toEqual([]);
  });

  test('a log that outgrew its snapshot is ended by a fresh one, while it serves on', () => {
    const room = joined();
    const filler = 'x'.repeat(900_000);
    for (let n = 0; n < 10; n++) {
      realm.write(putRecord(ENTITY.route, 'a', jsonPayload({ ...routeSpec('a'), labels: { filler, n: String(n) } })));
      room.bytes(realm.batch(realm.revision - 1));
    }
    room.node.second();
    expect(room.line.drops[0]).toMatch(/outgrown/);
    expect(room.worker.index?.find(kidOf(1))?.state).toBe(0);
    room.node.onOpen('ws://cp');
    expect(room.line.last('hello')).toMatchObject({ epoch: 'epoch-1', revision: 12, chain: null });
    room.say(realm.welcome('snapshot'));
    room.bytes(...realm.snapshot());
    expect(room.line.last('ack')).toMatchObject({ applied: 12, durable: 12 });
    room.node.second();
    expect(room.line.drops).toHaveLength(1);
  });

  test('frames lost, doubled, reordered, damaged and cut off: once it is quiet, the state is that of the control plane', () => {
    const step = fc.record({
      act: fc.constantFrom('write', 'write', 'push', 'push', 'again', 'old', 'damage', 'cut', 'join', 'restart', 'second'),
      n: fc.nat({ max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        rmSync(dir, { recursive: true, force: true });
        mkdirSync(dir);
        realm = new TestRealm().write(grant(), key(1)).write(route('a'));
        let room = start();
        let isUp = false;
        let sent = 0;
        let applied = 0;
        room.line.onDrop = (why) => {
          isUp = false;
          room.node.onDown(why);
        };
        // As the hub does: from what the node says it has.
        const join = (): void => {
          if (isUp) room.node.onDown('replaced');
          isUp = true;
          room.node.onOpen('ws://cp');
          const { epoch, revision, chain } = room.line.last('hello');
          const isKnown = epoch === realm.epoch && chain === Buffer.from(realm.chains[revision] ?? []).toString('hex');
          room.say(realm.welcome(isKnown ? 'delta' : 'snapshot'));
          if (!isKnown) room.bytes(...realm.snapshot(100));
          sent = isKnown ? revision : realm.revision;
        };
        for (const { act, n } of steps) {
          if (act === 'write') realm.write(n % 3 === 0 ? route(`r${n}`) : n % 3 === 1 ? key(n) : key(n, 'revoked'));
          if (act === 'join') join();
          if (act === 'second') room.node.second();
          if (act === 'cut' && isUp) {
            isUp = false;
            room.node.onDown('cut');
          }
          if (act === 'restart') {
            room.node.stop();
            isUp = false;
            room = start();
            room.line.onDrop = (why) => {
              isUp = false;
              room.node.onDown(why);
            };
          }
          if (!isUp) continue;
          // Sometimes what was sent before is skipped, sometimes it comes again.
          if (act === 'push' && sent < realm.revision) {
            const from = n % 7 === 0 ? Math.min(realm.revision - 1, sent + 1) : sent;
            sent = realm.revision;
            room.bytes(realm.batch(from, realm.revision, n % 2 === 0));
          }
          if (act === 'again' && realm.revision > 0) room.bytes(realm.batch(n % realm.revision));
          if (act === 'old') room.bytes(realm.batch(0, 1));
          if (act === 'damage') {
            const frame = realm.batch(0);
            const at = (n * 37) % frame.length;
            frame[at] = frame[at]! ^ 4;
            room.bytes(frame);
          }
          const now = room.status().applied;
          expect(now).toBeGreaterThanOrEqual(applied);
          applied = now;
        }
        join();
        if (sent < realm.revision) room.bytes(realm.batch(sent));
        expect(room.line.last('ack')).toMatchObject({
          applied: realm.revision,
          digest: Buffer.from(realm.digest).toString('hex'),
        });
        room.node.stop();
        const back = start();
        expect(back.status()).toMatchObject({ applied: realm.revision, digest: Buffer.from(realm.digest).toString('hex') });
        back.node.stop();
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});
