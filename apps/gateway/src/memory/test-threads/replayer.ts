import { parentPort, workerData } from 'node:worker_threads';
import type { ReplayHandles } from '../handles.ts';
import { attachReplays } from '../replay-memory.ts';

/** Presents the same signed requests as all the other threads, all beginning at once; tells which it was allowed to let through. */
const { handles, gate, threads, nonces, createdS, endsS, nowMs } = workerData as {
  handles: ReplayHandles;
  gate: SharedArrayBuffer;
  threads: number;
  nonces: number;
  createdS: number;
  endsS: number;
  nowMs: number;
};
const replays = attachReplays(handles);
const waiting = new Int32Array(gate);
Atomics.add(waiting, 0, 1);
while (Atomics.load(waiting, 0) < threads);
const won: number[] = [];
const others: string[] = [];
for (let n = 0; n < nonces; n++) {
  const verdict = replays.take('7Kq2mXcT9aLb', `nonce-${n}`, createdS, endsS, nowMs);
  if (verdict === 'fresh') won.push(n);
  else if (verdict !== 'replayed') others.push(verdict);
}
parentPort?.postMessage({ won, others });
