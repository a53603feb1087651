import { parentPort, workerData } from 'node:worker_threads';
import { monotonicClock } from '../clock.ts';
import type { RateHandles } from '../handles.ts';
import { attachRates } from '../rate-counters.ts';

/** Takes as fast as it can, all threads the same subjects; tells how often each was admitted. */
const { handles, worker, subjects, limit, perMs, burst, untilMs } = workerData as {
  handles: RateHandles;
  worker: number;
  subjects: number;
  limit: number;
  perMs: number;
  burst: number;
  untilMs: number;
};
const clock = monotonicClock();
const rates = attachRates(handles, worker);
const admitted = new Array<number>(subjects).fill(0);
const firstMs = clock();
let lastMs = firstMs;
let takes = 0;
while (lastMs < untilMs) {
  for (let n = 0; n < subjects; n++) {
    lastMs = clock();
    if (rates.take(7, `subject-${n}`, { limit, perMs }, burst, lastMs).allowed) admitted[n]! += 1;
    takes += 1;
  }
}
parentPort?.postMessage({ admitted, firstMs, lastMs, takes });
