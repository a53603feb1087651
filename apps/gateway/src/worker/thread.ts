import { randomFillSync } from 'node:crypto';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { WorkerData } from './messages.ts';
import { runRequestWorker } from './requestWorker.ts';

/** Entry of a request worker's thread. Clocks and timers come in here; below this file nothing reaches for them. */
if (parentPort === null) throw new Error('this file is the entry of a thread');
const main: MessagePort = parentPort;
await runRequestWorker(workerData as WorkerData, main, {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  random: (target) => void randomFillSync(target),
  every: (ms, run) => setInterval(run, ms),
  after: (ms, run) => setTimeout(run, ms),
});
