import { parentPort, workerData } from 'node:worker_threads';
import { monotonicClock } from '../clock.ts';
import type { RateHandles } from '../handles.ts';
import { attachRates } from '../rate-counters.ts';

/**
 * Takes as fast as it can, all threads the same subjects, from when all have arrived at the gate: for so long, and at least so often.
 * Tells how often each was admitted.
 */
const { handles, worker, subjects, limit, perMs, burst, gate, threads, forMs, takesMin } = workerData as {
  handles: RateHandles;
  worker: number;
  subjects: number;
  limit: number;
  perMs: number;
  burst: number;
  gate: Int32Array<SharedArrayBuffer>;
  threads: number;
  forMs: number;
  takesMin: number;
};
const clock = monotonicClock();
const rates = attachRates(handles, worker);
const admitted = new Array<number>(subjects).fill(0);
Atomics.add(gate, 0, 1);
Atomics.notify(gate, 0);
for (let here = Atomics.load(gate, 0); here < threads; here = Atomics.load(gate, 0)) Atomics.wait(gate, 0, here);
const firstMs = clock();
let lastMs = firstMs;
let takes = 0;
while (lastMs < firstMs + forMs || takes < takesMin) {
  for (let n = 0; n < subjects; n++) {
    lastMs = clock();
    if (rates.take(7, `subject-${n}`, { limit, perMs }, burst, lastMs).allowed) admitted[n]! += 1;
    takes += 1;
  }
}
parentPort?.postMessage({ admitted, firstMs, lastMs, takes });
