import { parentPort, workerData } from 'node:worker_threads';
import { parseNodeToken } from '@fluxgate/protocol/sync';
import { monotonicClock } from '../memory/clock.ts';
import { CannotRun, Identity, lockDirectory, prepareDirectory } from './identity.ts';
import { SyncNode } from './node.ts';
import { Line, syncUrl } from './socket.ts';
import type { FromSync, LogMessage, SyncThreadData, ToSync } from './thread-messages.ts';

/** Entry of the sync thread: builds the node from what main gave, and hands it its socket, its clocks and its timers. */

const TICK_MS = 100;
const SECOND_MS = 1000;
/** Workers that do not come by then are not waited for. */
const READY_MS = 2000;

const port = parentPort;
if (port === null) throw new Error('sync/thread.ts runs as a worker thread only');
const tell = (message: FromSync): void => port.postMessage(message);
const log = (level: LogMessage['level'], event: string, fields: LogMessage['fields']): void =>
  tell({ t: 'log', level, event, fields });

async function run(data: SyncThreadData): Promise<void> {
  const token = parseNodeToken(data.nodeToken);
  if (token === null)
    throw new CannotRun(
      'the node token is not one',
      'Make one with `fluxctl nodes token create` and set FLUXGATE_NODE_TOKEN to all of it.',
    );
  const targets = data.controlPlanes.map(syncUrl);
  const urls = targets.flatMap((target) => (target.ok ? [target.url] : []));
  const wrong = targets.flatMap((target) => (target.ok ? [] : [target.why]));
  if (wrong.length > 0 || urls.length === 0)
    throw new CannotRun(
      wrong.join('; ') || 'no control plane is configured',
      'Set FLUXGATE_CONTROL_PLANE to one or more https URLs.',
    );
  prepareDirectory(data.dataDir);
  const lock = await lockDirectory(data.dataDir);
  const identity = Identity.open(data.dataDir, token, (why) => log('error', 'identity on disk', { why }));

  let connecting = false;
  const connect = (): void => {
    if (connecting) return;
    connecting = true;
    line.start();
  };
  const line: Line = new Line({
    urls,
    credential: token.credential,
    caPem: data.caPem,
    random: Math.random,
    events: {
      onOpen: (url) => node.onOpen(url),
      onText: (text) => node.onText(text),
      onBytes: (bytes) => node.onBytes(bytes),
      onDown: (trouble) => node.onDown(trouble),
    },
  });
  const node = new SyncNode({
    data,
    token,
    identity,
    line,
    nowMs: () => Date.now(),
    monotonicMs: monotonicClock(),
    log,
    onStatus: (status) => tell({ t: 'status', status }),
    onReady: () => connect(),
    onCommand: (command) => tell(command),
  });
  node.boot();
  node.second();
  const timers = [setInterval(() => node.tick(), TICK_MS), setInterval(() => node.second(), SECOND_MS)];

  port?.on('message', (message: ToSync) => {
    switch (message.t) {
      case 'worker-joined':
        node.joinWorker(message.worker, message.port);
        break;
      case 'worker-left':
        node.leaveWorker(message.worker);
        break;
      case 'command-result':
        node.answer(message);
        break;
      case 'stop':
        connecting = true;
        for (const timer of timers) clearInterval(timer);
        node.stop();
        void line.end().then(() => {
          lock?.close();
          tell({ t: 'stopped' });
        });
        break;
    }
  });
  setTimeout(connect, READY_MS);
}

run(workerData as SyncThreadData).catch((error: unknown) => {
  if (!(error instanceof CannotRun)) throw error;
  tell({ t: 'fatal', why: error.message, remedy: error.remedy });
});
