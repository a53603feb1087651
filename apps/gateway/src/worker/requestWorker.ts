import type { MessagePort } from 'node:worker_threads';
import { compilePlan, EMPTY_SETTINGS, type RealmConfig } from '@fluxgate/policy';
import { TracePool } from '../http/trace.ts';
import { createWire } from '../http/wire.ts';
import { Listeners } from '../listeners/listeners.ts';
import { TlsFiles } from '../listeners/tls-files.ts';
import { monotonicClock } from '../memory/clock.ts';
import { keyIndexSlots } from '../memory/fill.ts';
import { attachKeyIndex, attachLeases, attachRates, attachReplays, type KeyIndexHandles } from '../memory/index.ts';
import { createPipeline } from '../pipeline/decide.ts';
import { pepperRing } from '../pipeline/hmac.ts';
import { UsageBook, type UsageEntry } from '../pipeline/usageBook.ts';
import type { PlanMessage, ToWorker } from '../sync/thread-messages.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { ServicesLink } from '../tokens/servicesLink.ts';
import { TokenDesk } from '../tokens/tokenDesk.ts';
import type { FromWorkerThread, ToWorkerThread, WorkerData } from './messages.ts';
import { Meter } from './meter.ts';
import { SyncLink, usageEntries } from './syncLink.ts';

/** What comes in by the door. */
export interface World {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** A clock that never jumps. */
  monotonicMs(): number;
  /** Fills the buffer with strong random bytes. */
  random(target: Buffer): void;
  every(ms: number, run: () => void): { unref(): void };
  after(ms: number, run: () => void): { unref(): void };
}

/** What the wire knows before the first plan: nobody is trusted, nothing is routed. */
const NOTHING: RealmConfig = {
  settings: EMPTY_SETTINGS,
  upstreams: [],
  tiers: [],
  routes: [],
};
const USAGE_EVERY_MS = 200;
const REPORT_EVERY_MS = 1000;
/** A worker that has nothing to judge by yet keeps its port shut for so long; then it opens it and answers 503 `not_ready`. */
const READY_GRACE_MS = 2000;
/** How soon what is open notices that its credential has ended. */
const REVIEW_EVERY_MS = 100;
/** How soon a new certificate in the TLS directory is served; SIGHUP does it at once. */
const TLS_FILES_EVERY_MS = 2000;
const HANDSHAKE_MS = 10_000;
const PROXY_HEADER_MS = 3000;

/**
 * One request worker: attaches to the shared memory, compiles each plan as it arrives, takes traffic once it can judge it, or after
 * two seconds (503 `not_ready` until there is a plan) and tells main once a second what it counted. Resolves when it listens, or could not.
 */
export async function runRequestWorker(data: WorkerData, main: MessagePort, world: World): Promise<void> {
  const tell = (message: FromWorkerThread): void => main.postMessage(message);
  const usage = new UsageBook();
  const meter = new Meter();
  const spanIds = new TracePool(world.random);
  const recorder = new Recorder({
    access: data.accessLog,
    spans: data.spans,
    spanId: () => spanIds.spanId(),
    wallMs: world.nowMs,
    send: (parcels) => tell({ t: 'parcels', parcels }),
  });
  let index: KeyIndexHandles | null = null;
  const link = new SyncLink(onSync, (run, ms) => world.after(ms, run));
  const services = new ServicesLink((keys) => tokens.setKeys(keys), world.after);
  const tokens: TokenDesk = new TokenDesk({
    monotonicMs: monotonicClock(),
    ask: (provider, kid) => services.ask(provider, kid),
  });
  const pipeline = createPipeline({
    realm: data.realm,
    counters: attachRates(data.rates, data.worker),
    replays: attachReplays(data.replays),
    leases: attachLeases(data.leases, (subject) => link.send({ t: 'prefetch', subject })),
    leaseClient: link,
    usage,
    tokens,
    now: world.nowMs,
    staleAfterMs: data.staleAfterMs,
    onLoss: (limit, did) => meter.lost(limit, did),
  });
  /** What should not have happened: told once a second, because it may happen with every connection. */
  let faults = 0;
  let lastFault = '';
  function faulted(error: unknown): void {
    faults += 1;
    lastFault = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const files = new TlsFiles(data.tlsDir);
  const wire = createWire({
    decide: pipeline.decide,
    answerRefusal: pipeline.answerRefusal,
    record: (exchange) => {
      meter.record(exchange);
      recorder.record(exchange);
    },
    traceRatio: data.traceRatio,
    plan: compilePlan(NOTHING),
    random: world.random,
    clock: world,
    reusePort: data.reusePort,
    onFault: faulted,
    authorities: (reference) => {
      const reading = files.read(reference);
      if (!reading.ok) throw new Error(reading.why);
      return reading.pem;
    },
  });
  const listeners = new Listeners({
    door: wire,
    files,
    reusePort: data.reusePort,
    handshakeMs: HANDSHAKE_MS,
    proxyHeaderMs: PROXY_HEADER_MS,
    nowMs: world.nowMs,
    onChange: (states) => tell({ t: 'listeners', states }),
    onFault: faulted,
  });

  /** Index, plan, and the peppers that its keys need: from here on requests can be judged. */
  const armed = { index: false, peppers: false, plan: false };
  let onReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });

  function onSync(message: ToWorker): void {
    hear(message);
    if (message.t === 'index' || message.t === 'peppers' || message.t === 'plan') {
      armed[message.t] = true;
      if (armed.index && armed.plan && (armed.peppers || pipeline.plan?.apiKey === null)) onReady();
    }
  }

  function hear(message: ToWorker): void {
    switch (message.t) {
      case 'index':
        index = message.handles;
        pipeline.setIndex(attachKeyIndex(message.handles));
        break;
      case 'peppers':
        pipeline.setPeppers(pepperRing(message.peppers));
        link.send({ t: 'peppers-applied', generation: message.generation });
        break;
      case 'link':
        pipeline.setContact(message.lastContactMs);
        break;
      case 'plan':
        link.send({ t: 'plan-applied', sequence: message.sequence, fault: applyPlan(message) });
        break;
      case 'lease-answer':
        break; // settled by the link itself
    }
  }

  /** All or nothing: a plan that does not compile leaves the one before in force. */
  function applyPlan(message: PlanMessage): string | null {
    try {
      const plan = compilePlan(JSON.parse(message.config) as RealmConfig);
      wire.setPlan(plan);
      pipeline.setPlan(plan);
      tokens.setPlan(plan);
      services.setProviders(plan.providers);
      void listeners.apply(plan.settings.listeners);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    tell({ t: 'serving', revision: message.revision });
    return null;
  }

  function reportUsage(notes: readonly UsageEntry[]): void {
    if (notes.length > 0) link.send({ t: 'usage', entries: usageEntries(notes) });
  }

  function review(): void {
    try {
      pipeline.review(wire.lasting);
    } catch (error) {
      faulted(error);
    }
  }

  function report(): void {
    if (faults > 0) tell({ t: 'log', level: 'error', event: 'faults', fields: { count: faults, last: lastFault } });
    faults = 0;
    const counted = meter.take();
    if (counted !== null) tell({ t: 'report', report: counted });
    const { clients, streams, targets } = wire.stats();
    const indexSlots = index === null ? 0 : keyIndexSlots(index);
    tell({ t: 'gauges', gauges: { connections: clients, streams, targets, indexSlots } });
    recorder.flush();
    recorder.newSecond();
  }

  main.on('message', (message: ToWorkerThread) => {
    if (message.t === 'sync') return link.attach(message.port);
    if (message.t === 'services') return services.attach(message.port);
    if (message.t === 'parcels-taken') return recorder.confirm(message.lineBytes, message.spanBytes);
    if (message.t === 'reload') return listeners.refresh(true);
    // After this turn's connections were accepted: one that waits in the queue of a closed listener is reset.
    setImmediate(() => leave(message.deadlineMs));
  });

  function leave(deadlineMs: number): void {
    listeners.close();
    wire
      .drain(deadlineMs)
      .catch((error: unknown) => tell({ t: 'log', level: 'error', event: 'drain failed', fields: { error: String(error) } }))
      .finally(() => {
        reportUsage(usage.take());
        report();
        tell({ t: 'drained' });
      });
  }
  link.attach(data.sync);
  services.attach(data.services);
  world.every(USAGE_EVERY_MS, () => reportUsage(usage.takeDue(world.nowMs()))).unref();
  world.every(REVIEW_EVERY_MS, review).unref();
  world.every(REPORT_EVERY_MS, report).unref();
  world.every(TLS_FILES_EVERY_MS, () => listeners.refresh(false)).unref();

  // A port that is open gets connections: not before they can be served, unless that takes too long to keep silent about it.
  const patience = new Promise<void>((resolve) => void world.after(READY_GRACE_MS, resolve));
  await Promise.race([ready, patience]);
  try {
    if (data.isPortCovered) listeners.expectOwn(data.port, data.host);
    tell({ t: 'listening', port: data.isPortCovered ? data.port : await listeners.openOwn(data.port, data.host) });
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
    tell({ t: 'cannot-listen', code, message });
  }
}
