import { afterEach, expect, test } from '@jest/globals';
import { Crew, type CrewParts } from './crew.ts';

/** A worker that does as it is told: a new channel means death here. */
const script = `
import { parentPort, workerData } from 'node:worker_threads';
if (workerData.host === 'nowhere') parentPort.postMessage({ t: 'cannot-listen', code: 'EADDRNOTAVAIL', message: 'no such address' });
else {
  parentPort.postMessage({ t: 'listening', port: workerData.port || 4711 });
  parentPort.postMessage({ t: 'serving', revision: 1 });
}
parentPort.on('message', (message) => {
  if (message.t === 'sync') throw new Error('told to die');
  if (message.t === 'drain' && message.deadlineMs > 0) parentPort.postMessage({ t: 'drained' });
});`;

const noMemory = { cells: new SharedArrayBuffer(0), names: new SharedArrayBuffer(0) };
const crews: Crew[] = [];

function crewOf(count: number, host = '127.0.0.1') {
  const told: string[] = [];
  const parts: CrewParts = {
    entry: new URL(`data:text/javascript,${encodeURIComponent(script)}`),
    count,
    data: {
      realm: 'live',
      host,
      reusePort: true,
      rates: noMemory,
      replays: noMemory,
      leases: noMemory,
      accessLog: { mode: 'off', oneIn: 1 },
      spans: false,
      traceRatio: 1,
      staleAfterMs: null,
      tlsDir: '/nowhere',
    },
    nowMs: () => Date.now(),
    join: (worker, port) => {
      told.push(`join ${worker}`);
      port.close();
    },
    joinServices: (_worker, port) => port.close(),
    leave: (worker) => told.push(`leave ${worker}`),
    onReport: () => {},
    onLog: (_level, event, fields) => told.push(`${event}: ${String(fields['why']).split('\n')[0]}`),
    onRestart: () => told.push('restart'),
  };
  const crew = new Crew(parts);
  crews.push(crew);
  return { crew, told };
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`still not: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

afterEach(async () => {
  await Promise.all(crews.splice(0).map((crew) => crew.terminate()));
});

test('the first worker finds the port, the others share it', async () => {
  const { crew, told } = crewOf(3);
  expect(await crew.start(0)).toEqual({ port: 4711 });
  await until(() => crew.serving === 3);
  expect(told.sort()).toEqual(['join 0', 'join 1', 'join 2']);
});

test('a worker that dies is said to have left, and another takes its place', async () => {
  const { crew, told } = crewOf(2);
  await crew.start(0);
  await until(() => crew.serving === 2);
  crew.reconnect();
  await until(() => crew.serving === 0);
  await until(() => crew.serving === 2);
  expect(told).toContain('leave 0');
  expect(told).toContain('a request worker died: Error: told to die');
  expect(told.filter((line) => line === 'restart')).toHaveLength(2);
});

test('what cannot listen is told with its code', async () => {
  const { crew } = crewOf(2, 'nowhere');
  expect(await crew.start(80)).toMatchObject({ code: 'EADDRNOTAVAIL' });
});

test('a drain ends when all are drained, and a worker that hangs does not hold it for ever', async () => {
  const { crew } = crewOf(2);
  await crew.start(0);
  await crew.drain(60_000);
  expect(crew.serving).toBe(0);
  const hung = crewOf(1);
  await hung.crew.start(0);
  await hung.crew.drain(0);
});
