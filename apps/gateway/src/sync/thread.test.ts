import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { FromNode } from '@fluxgate/protocol/sync';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type WebSocket, WebSocketServer } from 'ws';
import { monotonicClock } from '../memory/clock.ts';
import { attachKeyIndex } from '../memory/key-index-reader.ts';
import { createLeaseMemory } from '../memory/lease-layout.ts';
import type { KeyIndexReader } from '../memory/ports.ts';
import { grant, key, kidOf, route, routeNames, TestRealm } from './fixtures.ts';
import type { FromSync, SyncStatus, SyncThreadData, ToWorker } from './thread-messages.ts';

/** The real thread, the real socket, and a stand-in for the control plane. */

async function until<T>(what: string, look: () => T | null | undefined | false): Promise<T> {
  for (const end = Date.now() + 15_000; Date.now() < end; ) {
    const found = look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`did not happen: ${what}`);
}

class FakeControlPlane {
  readonly realm: TestRealm;
  readonly server: WebSocketServer;
  readonly heard: FromNode[] = [];
  readonly authorizations: string[] = [];
  socket: WebSocket | null = null;
  connections = 0;
  #timer: NodeJS.Timeout;

  constructor(realm: TestRealm, port = 0) {
    this.realm = realm;
    this.server = new WebSocketServer({ port, host: '127.0.0.1', path: '/v1/sync' });
    this.server.on('connection', (socket, request) => {
      this.connections += 1;
      this.authorizations.push(request.headers.authorization ?? '');
      socket.on('message', (data) => this.#onMessage(socket, FromNode.parse(JSON.parse(String(data)))));
    });
    this.#timer = setInterval(() => this.socket?.send(realm.heartbeat(Date.now())), 500);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  #onMessage(socket: WebSocket, message: FromNode): void {
    this.heard.push(message);
    if (message.t !== 'hello') return;
    this.socket = socket;
    const { realm } = this;
    const isKnown = message.epoch === realm.epoch && message.chain !== null;
    socket.send(JSON.stringify(realm.welcome(isKnown ? 'delta' : 'snapshot')));
    if (!isKnown) for (const part of realm.snapshot()) socket.send(part);
    else if (message.revision < realm.revision) socket.send(realm.batch(message.revision));
  }

  push(urgent = false): void {
    this.socket?.send(this.realm.batch(this.realm.revision - 1, this.realm.revision, urgent));
  }

  acked(): { applied: number; durable: number } {
    const ack = this.heard.findLast((message) => message.t === 'ack');
    return ack?.t === 'ack' ? ack : { applied: 0, durable: 0 };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const client of this.server.clients) client.terminate();
    this.server.close();
    await once(this.server, 'close');
  }
}

class Thread {
  readonly worker: Worker;
  readonly messages: FromSync[] = [];
  index: KeyIndexReader | null = null;
  routes: string[] = [];

  constructor(realm: TestRealm, dataDir: string, port: number) {
    const workerData: SyncThreadData = {
      controlPlanes: [`http://127.0.0.1:${port}`],
      nodeToken: realm.tokenText,
      nodeName: 'n1',
      dataDir,
      version: '0.0.0',
      bootId: 'boot-0001',
      workers: 1,
      leases: createLeaseMemory([1, 2], monotonicClock()(), 256),
      caPem: null,
    };
    this.worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData });
    this.worker.on('message', (message: FromSync) => this.messages.push(message));
    const { port1, port2 } = new MessageChannel();
    this.worker.postMessage({ t: 'worker-joined', worker: 0, port: port2 }, [port2]);
    port1.on('message', (message: ToWorker) => {
      if (message.t === 'index') this.index = attachKeyIndex(message.handles);
      if (message.t !== 'plan') return;
      this.routes = routeNames(message.config);
      port1.postMessage({ t: 'plan-applied', sequence: message.sequence, fault: null });
    });
    port1.unref();
  }

  get status(): SyncStatus | null {
    const found = this.messages.findLast((message) => message.t === 'status');
    return found?.t === 'status' ? found.status : null;
  }

  state(kid: string): number | null {
    return this.index?.find(kid)?.state ?? null;
  }

  async stop(): Promise<void> {
    this.worker.postMessage({ t: 'stop' });
    await until('stopped', () => this.messages.some((message) => message.t === 'stopped'));
    await this.worker.terminate();
  }
}

let dir: string;
let realm: TestRealm;
let plane: FakeControlPlane;
const threads: Thread[] = [];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fluxgate-thread-'));
  realm = new TestRealm().write(grant(), key(1)).write(route('a'));
  plane = new FakeControlPlane(realm);
  await once(plane.server, 'listening');
});
afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.worker.terminate()));
  await plane.close();
  rmSync(dir, { recursive: true, force: true });
});

function start(port = plane.port): Thread {
  const thread = new Thread(realm, dir, port);
  threads.push(thread);
  return thread;
}

describe('the sync thread', () => {
  test('takes the state, acknowledges it, and a revocation reaches the shared index', async () => {
    const thread = start();
    await until('acked', () => plane.acked().applied === 2);
    expect(thread.state(kidOf(1))).toBe(0);
    expect(thread.routes).toEqual(['a']);
    realm.write(key(1, 'revoked'));
    plane.push(true);
    await until('revoked', () => thread.state(kidOf(1)) === 2);
    await until('durable', () => plane.acked().durable === 3);
    expect(plane.authorizations).toEqual([`Bearer ${realm.token.credential}`]);
    await until('live', () => thread.status?.state === 'live' && thread.status.applied === 3);
    await thread.stop();
  });

  test('killed at any moment, it comes back from disk with everything it acknowledged as durable, with the control plane dead', async () => {
    const { port } = plane;
    for (let round = 0; round < 3; round++) {
      const thread = start(port);
      await until('joined', () => plane.acked().applied >= realm.revision);
      for (let n = 0; n < 10; n++) {
        realm.write(key(10 + round * 10 + n));
        plane.push(n % 2 === 0);
        if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
      }
      await thread.worker.terminate();
      await new Promise((resolve) => setTimeout(resolve, 20));
      const { durable } = plane.acked();
      const deaf = start(1);
      const status = await until('from disk', () =>
        deaf.status?.state === 'static' && deaf.status.applied > 0 ? deaf.status : null,
      );
      expect(status.applied).toBeGreaterThanOrEqual(durable);
      expect(status.applied).toBeLessThanOrEqual(realm.revision);
      expect(deaf.routes).toEqual(['a']);
      await deaf.stop();
      plane.heard.length = 0;
    }
  });

  test('garbage on the socket is refused, the last good state stays, and it comes again', async () => {
    const thread = start();
    await until('acked', () => plane.acked().applied === 2);
    for (const bad of [
      Buffer.from('not a frame'),
      new TestRealm().write(grant(), key(1)).write(route('a')).write(key(2, 'revoked')).batch(2),
      Buffer.alloc(100_000, 7),
    ]) {
      const before = plane.connections;
      plane.socket?.send(bad);
      await until('a new connection', () => plane.connections > before && thread.status?.connected);
    }
    expect(thread.state(kidOf(1))).toBe(0);
    expect(thread.state(kidOf(2))).toBeNull();
    realm.write(key(2));
    plane.push();
    await until('goes on', () => thread.state(kidOf(2)) === 0);
    await thread.stop();
  });

  test('a second gateway on the same data directory is told so', async () => {
    const first = start();
    await until('running', () => first.status !== null);
    const second = start();
    const fatal = await until('fatal', () => second.messages.find((message) => message.t === 'fatal'));
    expect(fatal).toMatchObject({ why: expect.stringMatching(/another gateway runs/) as unknown });
  });

  test('without any state or control plane it stays up, and says why nothing can be served', async () => {
    const thread = start(1);
    const status = await until('told', () => (thread.status?.trouble ? thread.status : null));
    expect(status).toMatchObject({ state: 'empty', connected: false, applied: 0 });
    expect(status.trouble).toMatch(/ECONNREFUSED/);
  });
});
