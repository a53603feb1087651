import { parentPort, workerData } from 'node:worker_threads';
import type { KeyIndexHandles } from '../handles.ts';
import { attachKeyIndex } from '../key-index-reader.ts';

/** `steady`: that many kids are never deleted, so must always be found. Reads the kids round and round until told to stop; every field of a record must tell of the same round. */
const { handles, kids, steady, stop } = workerData as {
  handles: KeyIndexHandles;
  kids: string[];
  steady: number;
  stop: SharedArrayBuffer;
};
const stopped = new Int32Array(stop);
const index = attachKeyIndex(handles);
let found = 0;
let missed = 0;
const mixed: string[] = [];
parentPort?.postMessage('ready');
while (Atomics.load(stopped, 0) === 0) {
  for (const [n, kid] of kids.entries()) {
    const view = index.find(kid);
    if (view === null) {
      if (n < steady) missed += 1;
      continue;
    }
    found += 1;
    const round = view.grant;
    const same =
      view.credential === round &&
      view.notAfterS === round &&
      view.pepperVersion === round % 256 &&
      view.state === round % 4 &&
      view.digest.every((byte) => byte === round % 251) &&
      view.name() === `${kid}/${round % 3}`;
    if (!same)
      mixed.push(
        `${kid} ${round} ${view.credential} ${view.notAfterS} ${view.pepperVersion} ${view.state} ${view.digest.join()} ${view.name()}`,
      );
  }
}
parentPort?.postMessage({ found, missed, mixed: mixed.slice(0, 5) });
