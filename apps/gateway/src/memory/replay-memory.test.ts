import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import { attachReplays, createReplayMemory } from './replay-memory.ts';

const SEED = Uint8Array.from({ length: 16 }, (_, i) => i);
const START_S = 1_700_000_000;
const KID = '7Kq2mXcT9aLb';
const ms = (seconds: number): number => seconds * 1000;

test('of four threads that are given the same signed requests exactly one lets each through', async () => {
  const handles = createReplayMemory(SEED, START_S);
  const gate = new SharedArrayBuffer(4);
  const nonces = 20_000;
  const workerData = { handles, gate, threads: 4, nonces, createdS: START_S, endsS: START_S + 360, nowMs: ms(START_S + 1) };
  const told = await Promise.all(
    Array.from(
      { length: 4 },
      () =>
        new Promise<{ won: number[]; others: string[] }>((resolve, reject) => {
          const thread = new Worker(new URL('./test-threads/replayer.ts', import.meta.url), { workerData });
          thread.on('message', resolve);
          thread.on('error', reject);
        }),
    ),
  );
  expect(told.flatMap((one) => one.others)).toEqual([]);
  const winners = new Map<number, number>();
  for (const { won } of told) for (const n of won) winners.set(n, (winners.get(n) ?? 0) + 1);
  expect(winners.size).toBe(nonces);
  expect([...winners.values()].every((count) => count === 1)).toBe(true);
}, 30_000);

test('a nonce is good once for each key', () => {
  const replays = attachReplays(createReplayMemory(SEED, START_S));
  const take = (kid: string, nonce: string) => replays.take(kid, nonce, START_S, START_S + 360, ms(START_S));
  expect(take(KID, 'a')).toBe('fresh');
  expect(take(KID, 'a')).toBe('replayed');
  expect(take(KID, 'b')).toBe('fresh');
  expect(take('0Kq2mXcT9aLb', 'a')).toBe('fresh');
});

test('what is full of living entries refuses, and takes again when they have ended', () => {
  const replays = attachReplays(createReplayMemory(SEED, START_S, 1));
  const take = (nonce: number, atS: number) => replays.take(KID, String(nonce), atS, atS + 10, ms(atS));
  for (let n = 0; n < 63; n++) expect(take(n, START_S)).toBe('fresh');
  expect(take(63, START_S + 9)).toBe('full');
  expect(take(5, START_S + 9)).toBe('replayed');
  expect(replays.full).toBe(1);
  expect(take(63, START_S + 10)).toBe('fresh');
});

test('a clock that is set back brings no request back to life', () => {
  const replays = attachReplays(createReplayMemory(SEED, START_S, 1));
  expect(replays.take(KID, 'old', START_S, START_S + 10, ms(START_S))).toBe('fresh');
  const aDayLater = START_S + 86_400;
  for (let n = 0; n < 63; n++) replays.take(KID, `n${n}`, aDayLater, aDayLater + 10, ms(aDayLater));
  expect(replays.take(KID, 'old', START_S, START_S + 10, ms(START_S))).toBe('unknown');
});

test('what was signed before the process began may have passed before, and does not pass', () => {
  const replays = attachReplays(createReplayMemory(SEED, START_S + 0.9));
  expect(replays.take(KID, 'a', START_S - 1, START_S + 300, ms(START_S + 1))).toBe('unknown');
  expect(replays.take(KID, 'a', START_S, START_S + 300, ms(START_S + 1))).toBe('fresh');
});

test('a bucket whose holder died lets nothing through', () => {
  const handles = createReplayMemory(SEED, START_S, 1);
  new Int32Array(handles.cells)[16] = 1;
  expect(attachReplays(handles).take(KID, 'a', START_S, START_S + 300, ms(START_S))).toBe('stalled');
});

test('any order of takes and times: no nonce passes twice while its signature would be taken', () => {
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const replays = attachReplays(createReplayMemory(SEED, START_S, 2));
  const passed = new Set<number>();
  for (let i = 0; i < 20_000; i++) {
    // A clock that mostly goes forward and now and then jumps.
    const nowS = START_S + Math.floor(i / 20) + (random(50) === 0 ? random(400) : 0);
    const nonce = random(5000);
    // A captured request keeps its created and expires.
    const createdS = START_S + Math.floor(nonce / 5);
    const endsS = createdS + 60;
    if (nowS >= endsS || createdS > nowS + 60) continue;
    if (replays.take(KID, String(nonce), createdS, endsS, ms(nowS)) === 'fresh') {
      expect(passed.has(nonce)).toBe(false);
      passed.add(nonce);
    }
  }
  expect(passed.size).toBeGreaterThan(100);
});
