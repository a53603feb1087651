import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { DEFAULT_API_KEY_SETTINGS, EMPTY_SETTINGS, type RealmConfig } from '@fluxgate/policy';
import { KeyIndex } from '../../memory/key-index-writer.ts';
import { ANYONE, NEVER_S, PEPPER, route, testKey } from '../../pipeline/fakes.ts';
import type { FromSync, FromWorker, SyncStatus, SyncThreadData, ToSync, ToWorker } from '../../sync/thread-messages.ts';

/**
 * Stands in for the sync thread: one key, one plan whose upstream is the URL given as control plane. `die` in the data directory makes it
 * throw once; it answers each lease request with `unavailable` and tells main of usage as a log line.
 */
const data = workerData as SyncThreadData;
const tellMain = (message: FromSync): void => parentPort?.postMessage(message);
const key = testKey('stub');
const index = new KeyIndex({ keysMax: 1000, heapBytesMax: 1 << 20 });
index.putGrant(1, ANYONE, Buffer.from(JSON.stringify(ANYONE)));
index.putKey({
  kid: key.kid,
  digest: key.record.digest,
  pepperVersion: 1,
  state: 'active',
  notAfterS: NEVER_S,
  grant: 1,
  credential: 7,
  name: 'stub',
});
const config: RealmConfig = {
  settings: { ...EMPTY_SETTINGS, apiKey: { ...DEFAULT_API_KEY_SETTINGS, enabled: true } },
  upstreams: [],
  tiers: [],
  routes: [route('/closed', [], { upstream: { url: data.controlPlanes[0] ?? '' } })],
};

function serve(port: MessagePort): void {
  const tell = (message: ToWorker): void => port.postMessage(message);
  port.on('message', (message: FromWorker) => {
    if (message.t === 'lease') tell({ t: 'lease-answer', id: message.id, outcome: 'unavailable' });
    if (message.t === 'plan-applied')
      tellMain({ t: 'log', level: 'info', event: 'plan applied', fields: { fault: message.fault } });
    if (message.t === 'usage')
      for (const entry of message.entries)
        tellMain({ t: 'log', level: 'info', event: 'usage', fields: { kid: entry.kid, allowed: entry.allowed } });
  });
  tell({ t: 'index', handles: index.handles() });
  tell({ t: 'link', state: 'static', lastContactMs: null });
  tell({ t: 'peppers', generation: '1', peppers: [[1, PEPPER]] });
  tell({ t: 'plan', sequence: 1, epoch: 'e', revision: 1, config: JSON.stringify(config) });
}

parentPort?.on('message', (message: ToSync) => {
  if (message.t === 'worker-joined') serve(message.port);
  if (message.t === 'stop') tellMain({ t: 'stopped' });
});
const status: SyncStatus = {
  realm: 'live',
  state: 'static',
  connected: false,
  controlPlane: null,
  epoch: 'e',
  head: 1,
  applied: 1,
  durable: 1,
  digest: null,
  keys: 1,
  secretsGeneration: '1',
  lastContactMs: null,
  quarantined: [],
  trouble: null,
  frames: { applied: 0, refused: 0 },
  leases: { requested: 0, granted: 0, exhausted: 0, unavailable: 0 },
};
tellMain({ t: 'status', status });

setInterval(() => {
  const flag = join(data.dataDir, 'die');
  if (!existsSync(flag)) return;
  unlinkSync(flag);
  throw new Error('told to die');
}, 20);
