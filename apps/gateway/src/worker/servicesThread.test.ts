import { MessageChannel } from 'node:worker_threads';
import { afterEach, expect, test } from '@jest/globals';
import type { FromTokenWorker, ToTokenWorker } from '../services/messages.ts';
import { ServicesLink } from '../tokens/servicesLink.ts';
import { ServicesThread } from './servicesThread.ts';

/** A services thread that echoes commands, and dies when told to. */
const script = `
import { parentPort, workerData } from 'node:worker_threads';
parentPort.postMessage({ t: 'log', level: 'info', event: 'started', fields: {} });
parentPort.on('message', (message) => {
  if (message.t !== 'command') return;
  if (message.name === 'die') throw new Error('told to die');
  parentPort.postMessage({ t: 'command-result', id: message.id, ok: true, body: { ...message.args, dir: workerData.dataDir } });
});`;

const threads: ServicesThread[] = [];
afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.stop()));
});

test('commands are answered; a thread that dies is an answer too, and another takes its place', async () => {
  const told: string[] = [];
  const thread = new ServicesThread({
    entry: new URL(`data:text/javascript,${encodeURIComponent(script)}`),
    data: { dataDir: '/tmp/x', coolDownMs: 1, staleMs: 1 },
    nowMs: () => Date.now(),
    onMessage: (message) => told.push(message.t === 'log' ? message.event : message.t),
    onRestart: () => told.push('restart'),
    onDeath: (why) => told.push(why.split('\n')[0] ?? ''),
  });
  threads.push(thread);
  expect(await thread.command('1', 'jwks.status', { a: 1 })).toEqual({ ok: true, body: { a: 1, dir: '/tmp/x' } });
  const asked = [thread.command('2', 'die', {}), thread.command('3', 'jwks.status', {})];
  expect((await Promise.all(asked)).map((one) => one.ok)).toEqual([false, false]);
  const endMs = Date.now() + 5000;
  while (!told.includes('restart') && Date.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(told).toContain('Error: told to die');
  expect((await thread.command('4', 'jwks.status', {})).ok).toBe(true);
});

test('a worker tells a new services thread its providers; what was asked of the old one ends without an answer', async () => {
  const keys: string[] = [];
  const link = new ServicesLink(
    (message) => keys.push(message.provider),
    (ms, run) => setTimeout(run, ms),
  );
  expect(await link.ask('p', 'k')).toBeNull();
  const heard: FromTokenWorker[] = [];
  const join = (answers: boolean) => {
    const { port1, port2 } = new MessageChannel();
    port2.on('message', (message: FromTokenWorker) => {
      heard.push(message);
      if (!answers || message.t !== 'want') return;
      port2.postMessage({ t: 'keys', provider: message.provider, keys: [], usableUntilMs: 5 } satisfies ToTokenWorker);
      port2.postMessage({
        t: 'want-answer',
        id: message.id,
        provider: message.provider,
        coolUntilMs: 77,
      } satisfies ToTokenWorker);
    });
    link.attach(port1);
    return port2;
  };
  const first = join(false);
  link.setProviders([{ id: 'p', issuer: 'https://i.example', jwksUri: null, cacheTtlMs: 1000 }]);
  const unanswered = link.ask('p', 'k');
  const second = join(true);
  expect(await unanswered).toBeNull();
  expect(await link.ask('p', 'k')).toBe(77);
  expect(keys).toEqual(['p']);
  expect(heard.filter((message) => message.t === 'providers').at(-1)).toMatchObject({ providers: [{ id: 'p' }] });
  const cut = link.ask('p', 'other');
  second.close();
  expect([77, null]).toContain(await cut);
  first.close();
});
