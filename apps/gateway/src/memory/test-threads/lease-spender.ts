import { parentPort, workerData } from 'node:worker_threads';
import type { LeaseHandles } from '../handles.ts';
import { attachLeases } from '../lease-table.ts';

/** Spends from all subjects as fast as it can until told to stop; tells how many tokens of each it got. */
const { handles, subjects, stop } = workerData as { handles: LeaseHandles; subjects: string[]; stop: SharedArrayBuffer };
const stopped = new Int32Array(stop);
let low = 0;
const leases = attachLeases(handles, () => {
  low += 1;
});
const got = subjects.map(() => 0);
let spends = 0;
parentPort?.postMessage('ready');
while (Atomics.load(stopped, 0) === 0) {
  for (const [n, subject] of subjects.entries()) {
    if (leases.spend(subject, 0) !== 'ok') continue;
    got[n]! += 1;
    spends += 1;
    // Now and then a later limit refuses the request.
    if (spends % 7 === 0) {
      leases.refund(subject);
      got[n]! -= 1;
    }
  }
}
parentPort?.postMessage({ got, low });
