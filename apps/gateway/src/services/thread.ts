import { lookup } from 'node:dns/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicClock } from '../memory/clock.ts';
import { fetchKeySet } from './fetchKeySet.ts';
import { keySetDisk } from './keySetDisk.ts';
import type { FromServices, ServicesThreadData, ToServices } from './messages.ts';
import { runServices } from './services.ts';

/** Entry of the services thread. Clocks, timers, network and disk come in here. */
if (parentPort === null) throw new Error('this file is the entry of a thread');
const main = parentPort;
const data = workerData as ServicesThreadData;

const take = runServices({
  fetch: (provider, known, nowMs) => fetchKeySet(provider, known, (host) => lookup(host, { all: true }), nowMs),
  disk: keySetDisk(data.dataDir),
  coolDownMs: data.coolDownMs,
  staleMs: data.staleMs,
  monotonicMs: monotonicClock(),
  wallMs: () => Date.now(),
  chance: () => Math.random(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every: (ms, run) => setInterval(run, ms),
  tell: (message: FromServices) => main.postMessage(message),
});
main.on('message', (message: ToServices) => take(message));
