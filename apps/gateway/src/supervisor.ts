import type { Config } from './config.ts';
import { leaseFill } from './memory/fill.ts';
import { attachRates, type LeaseHandles, type RateHandles, type ReplayHandles } from './memory/index.ts';
import { createLog, type Log } from './status/log.ts';
import { createMetrics } from './status/metrics.ts';
import { type Readiness, readiness } from './status/readiness.ts';
import { createStatusServer, listen } from './status/server.ts';
import type { CommandMessage, FromSync } from './sync/thread-messages.ts';
import { SpanExporter } from './telemetry/otlp.ts';
import type { Parcels } from './telemetry/recorder.ts';
import { Crew } from './worker/crew.ts';
import type { WorkerReport } from './worker/messages.ts';
import { ServicesThread } from './worker/servicesThread.ts';
import { SyncThread } from './worker/syncThread.ts';

export interface NodeParts {
  readonly config: Config;
  readonly version: string;
  /** New for each process. */
  readonly bootId: string;
  readonly syncEntry: URL;
  readonly workerEntry: URL;
  readonly servicesEntry: URL;
  /** Made here and not in the sync thread, so that counts outlive it. */
  readonly leases: LeaseHandles;
  readonly rates: RateHandles;
  readonly replays: ReplayHandles;
  /** The platform lets several listeners share a port. */
  readonly sharesPorts: boolean;
  readonly nowMs: () => number;
  readonly write: (line: string) => void;
  /** Lines of the access log; false: there is no room for them now, and they are dropped. */
  readonly offerLines: (lines: Uint8Array) => boolean;
  /** The node cannot run like this. Must not return. */
  readonly onFatal: (why: string, remedy: string) => never;
}

export interface RunningNode {
  readonly log: Log;
  readonly port: number;
  readonly statusPort: number;
  readiness(): Readiness;
  /** Reads certificates and keys anew, changed or not; no connection is dropped. */
  reload(): void;
  /** Takes no more requests, lets those in progress end, gives leases back, flushes usage. */
  stop(why: string): Promise<void>;
}

export interface CannotListen {
  /** Environment name of the port's setting. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly code: string;
}

const SYNC_STOP_MS = 5000;
/** What is left of spans may take so long to reach the collector at a stop. */
const EXPORT_STOP_MS = 2000;
/** Number under which main reads the rate memory; request workers are 0 … 253. */
const MAIN_AS_WORKER = 254;

/** Starts the threads of a node and keeps them alive: status server first, then the sync thread, then the workers. */
export async function startNode(parts: NodeParts): Promise<RunningNode | CannotListen> {
  const { config, nowMs } = parts;
  const log = createLog(config.logLevel, parts.write, nowMs);
  const workers = parts.sharesPorts ? config.workers : 1;
  const rates = attachRates(parts.rates, MAIN_AS_WORKER);
  let draining = false;

  const startedMs = nowMs();
  const metrics = createMetrics(parts.version, startedMs, () => ({
    status: sync.status,
    workersServing: crew.serving,
    workersWanted: crew.wanted,
    crowded: rates.crowded,
    leaseCells: leaseFill(parts.leases),
    listeners: crew.listeners,
    nowMs: nowMs(),
  }));
  const ready = (): Readiness =>
    readiness({
      status: sync.status,
      workersServing: crew.serving,
      workersWanted: crew.wanted,
      listeningPort: crew.port,
      listeners: crew.listeners,
      draining,
      nowMs: nowMs(),
    });

  const exporter =
    config.otlp === null
      ? null
      : new SpanExporter({
          target: config.otlp,
          resource: {
            'service.name': 'fluxgate-gateway',
            'service.version': parts.version,
            'service.instance.id': parts.bootId,
            'host.name': config.nodeName,
            'fluxgate.realm': config.realm,
          },
          version: parts.version,
          nowMs,
          after: (ms, run) => setTimeout(run, ms),
          random: Math.random,
          onExported: (spans) => metrics.spans(spans, 0, 'collector'),
          onDropped: (spans, where) => metrics.spans(0, spans, where),
          onState: (fault) =>
            fault === null
              ? log.info('spans reach their collector')
              : log.warn({ fault }, 'spans do not reach their collector; what it does not take in time is dropped and counted'),
        });
  const sync = new SyncThread({
    entry: parts.syncEntry,
    data: {
      controlPlanes: config.controlPlanes,
      nodeToken: config.nodeToken,
      nodeName: config.nodeName,
      dataDir: config.dataDir,
      version: parts.version,
      bootId: parts.bootId,
      workers,
      leases: parts.leases,
      caPem: config.caPem,
    },
    nowMs,
    onMessage: onSync,
    onRestart: () => {
      metrics.restarted('sync');
      crew.reconnect();
    },
    onDeath: (why, retryInMs) => log.error({ why, retryInMs }, 'the sync thread died; requests are judged by the last state'),
  });
  const services = new ServicesThread({
    entry: parts.servicesEntry,
    data: { dataDir: config.dataDir, coolDownMs: config.jwksCoolDownMs, staleMs: config.jwksStaleMs },
    nowMs,
    onMessage: (message) => {
      if (message.t === 'log') log[message.level](message.fields, message.event);
      else if (message.t === 'key-sets') metrics.keySets(message.sets);
    },
    onRestart: () => {
      metrics.restarted('services');
      crew.reconnectServices();
    },
    onDeath: (why, retryInMs) =>
      log.error({ why, retryInMs }, 'the services thread died; tokens are judged by the keys that are known'),
  });
  const crew = new Crew({
    entry: parts.workerEntry,
    count: workers,
    data: {
      realm: config.realm,
      host: config.host,
      reusePort: parts.sharesPorts,
      rates: parts.rates,
      replays: parts.replays,
      leases: parts.leases,
      accessLog: config.accessLog,
      spans: exporter !== null,
      traceRatio: config.traceRatio,
      staleAfterMs: config.staleAfterMs,
      tlsDir: config.tlsDir,
    },
    nowMs,
    join: (worker, channel) => sync.join(worker, channel),
    joinServices: (worker, channel) => services.join(worker, channel),
    leave: (worker) => {
      sync.leave(worker);
      services.leave(worker);
      metrics.forget(worker);
    },
    onReport,
    onGauges: (worker, gauges) => metrics.gauges(worker, gauges),
    onParcels,
    onLog: (level, event, fields) => log[level](fields, event),
    onRestart: () => metrics.restarted('worker'),
    onListeners,
  });

  function onSync(message: FromSync): void {
    if (message.t === 'log') log[message.level](message.fields, message.event);
    else if (message.t === 'fatal') parts.onFatal(message.why, message.remedy);
    else if (message.t === 'command') void answer(message);
  }

  const told = new Map<string, string>();
  /** Each listener is told of once per change, not once per worker. */
  function onListeners(): void {
    const states = crew.listeners;
    for (const address of [...told.keys()]) if (!states.some((one) => one.address === address)) told.delete(address);
    for (const one of states) {
      const text = JSON.stringify(one);
      if (told.get(one.address) === text) continue;
      told.set(one.address, text);
      if (one.why === null) log.info({ listener: one.address, state: one.state }, 'a listener of the configuration');
      else log.warn({ listener: one.address, state: one.state, why: one.why }, 'a listener of the configuration needs attention');
    }
  }

  async function answer({ id, name, args }: CommandMessage): Promise<void> {
    sync.answer(id, await services.command(id, name, args));
  }

  function onParcels({ lines, spans, droppedLines, droppedSpans }: Parcels): void {
    if (droppedLines > 0) metrics.accessLines(0, droppedLines, 'worker');
    if (droppedSpans > 0) metrics.spans(0, droppedSpans, 'worker');
    if (lines !== null) {
      if (parts.offerLines(lines.bytes)) metrics.accessLines(lines.count, 0, 'output');
      else metrics.accessLines(0, lines.count, 'output');
    }
    if (spans !== null) exporter?.offer(spans);
  }

  function onReport(report: WorkerReport): void {
    metrics.add(report);
    for (const { limit, did, count } of report.losses)
      log.warn({ limit, did, count }, 'a limit could not be counted exactly: its authority is away');
  }

  const status = createStatusServer({ readiness: ready, metrics });
  const abandon = async (failure: CannotListen): Promise<CannotListen> => {
    await Promise.all([crew.terminate(), sync.stop(0), services.stop()]);
    status.close();
    return failure;
  };
  let statusPort: number;
  try {
    statusPort = await listen(status, config.statusPort, config.statusHost);
  } catch (error) {
    return abandon(
      cannotListen('FLUXGATE_STATUS_PORT', config.statusHost, config.statusPort, (error as NodeJS.ErrnoException).code),
    );
  }
  const started = await crew.start(config.port);
  if ('code' in started) {
    const failure = await abandon(cannotListen('FLUXGATE_GATEWAY_PORT', config.host, config.port, started.code));
    if (started.code !== 'EXITED') return failure;
    parts.onFatal(
      `a request worker could not start: ${started.message}`,
      'This is a defect of FluxGate or of its installation: please report it.',
    );
  }
  const { port } = started;
  if (!parts.sharesPorts && config.workers > 1) {
    log.warn({ asked: config.workers }, 'one request worker only: this platform cannot share a port between threads');
  }
  log.info(
    { host: config.host, port, statusPort, workers, realm: config.realm, node: config.nodeName, version: parts.version },
    'the gateway listens',
  );

  return {
    log,
    port,
    statusPort,
    readiness: ready,
    reload() {
      log.info('TLS files are read anew');
      crew.reload();
    },
    async stop(why) {
      draining = true;
      log.info({ why, deadlineMs: config.drainMs }, 'stopping: requests in progress may finish');
      await crew.drain(config.drainMs);
      await sync.stop(SYNC_STOP_MS);
      await crew.terminate();
      await services.stop();
      await exporter?.stop(EXPORT_STOP_MS);
      status.close();
      status.closeAllConnections();
      log.info('stopped');
    },
  };
}

function cannotListen(name: string, host: string, port: number, code = 'UNKNOWN'): CannotListen {
  return { name, host, port, code };
}
