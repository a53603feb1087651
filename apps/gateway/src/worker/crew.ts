import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { covers } from '../listeners/covers.ts';
import type { ListenerState } from '../listeners/listener.ts';
import type { Parcels } from '../telemetry/recorder.ts';
import { Backoff } from './backoff.ts';
import type { FromWorkerThread, ToWorkerThread, WorkerData, WorkerGauges, WorkerReport } from './messages.ts';

export interface CrewParts {
  readonly entry: URL;
  readonly count: number;
  readonly data: Omit<WorkerData, 'worker' | 'port' | 'isPortCovered' | 'sync' | 'services'>;
  readonly nowMs: () => number;
  /** The other end of a worker's channel goes to the sync thread. */
  readonly join: (worker: number, port: MessagePort) => void;
  /** The same for the services thread. */
  readonly joinServices: (worker: number, port: MessagePort) => void;
  /** To both threads. */
  readonly leave: (worker: number) => void;
  readonly onReport: (report: WorkerReport) => void;
  readonly onGauges?: (worker: number, gauges: WorkerGauges) => void;
  /** Must take them over: the worker is told that it may send more. */
  readonly onParcels?: (parcels: Parcels) => void;
  readonly onLog: (level: 'info' | 'warn' | 'error', event: string, fields: Readonly<Record<string, string | number>>) => void;
  readonly onRestart: () => void;
  /** Something about the configured listeners of a worker is different; see `listeners`. */
  readonly onListeners?: () => void;
}

interface ListenFailure {
  readonly code: string;
  readonly message: string;
}

interface Member {
  readonly number: number;
  readonly backoff: Backoff;
  thread: Worker | null;
  listening: boolean;
  serving: boolean;
  drained: boolean;
  listeners: readonly ListenerState[];
}

/** The request workers: started, kept alive, drained. */
export class Crew {
  readonly #parts: CrewParts;
  readonly #members: Member[] = [];
  #port = 0;
  #draining = false;
  /** Of the configured listeners, as the last worker told them. */
  #addresses: readonly string[] = [];
  #onDrained: (() => void) | null = null;

  constructor(parts: CrewParts) {
    this.#parts = parts;
  }

  /** Listening and in possession of a plan. */
  get serving(): number {
    return this.#members.filter((member) => member.listening && member.serving && !member.drained).length;
  }

  /** null until the first worker listens. */
  get port(): number | null {
    return this.#members.some((member) => member.listening) ? this.#port : null;
  }

  get wanted(): number {
    return this.#parts.count;
  }

  /** The configured listeners over all workers: one that is not well in one of them is not well. */
  get listeners(): readonly ListenerState[] {
    const worst = new Map<string, ListenerState>();
    for (const { listeners } of this.#members)
      for (const one of listeners) {
        const other = worst.get(one.address);
        if (other === undefined || (other.why === null && one.why !== null)) worst.set(one.address, one);
      }
    return [...worst.values()];
  }

  /** Certificates and keys are read anew by every worker. */
  reload(): void {
    for (const member of this.#members) this.#post(member, { t: 'reload' }, []);
  }

  /** The first worker finds out whether the port can be had (0: which one it is), then the others share it. */
  async start(port: number): Promise<{ readonly port: number } | ListenFailure> {
    this.#port = port;
    const first = await this.#add(0);
    if ('code' in first) return first;
    const others = await Promise.all(Array.from({ length: this.#parts.count - 1 }, (_, i) => this.#add(i + 1)));
    return others.find((one) => 'code' in one) ?? first;
  }

  /** After the sync thread was replaced: new channels for everybody. */
  reconnect(): void {
    for (const member of this.#members) {
      if (member.thread === null) continue;
      const { port1, port2 } = new MessageChannel();
      this.#post(member, { t: 'sync', port: port1 }, [port1]);
      this.#parts.join(member.number, port2);
    }
  }

  /** After the services thread was replaced. */
  reconnectServices(): void {
    for (const member of this.#members) {
      if (member.thread === null) continue;
      const { port1, port2 } = new MessageChannel();
      this.#post(member, { t: 'services', port: port1 }, [port1]);
      this.#parts.joinServices(member.number, port2);
    }
  }

  /** Resolves when all requests in progress are done, or a little after the deadline. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
      setTimeout(resolve, deadlineMs + 1000).unref();
      for (const member of this.#members) this.#post(member, { t: 'drain', deadlineMs }, []);
      this.#checkDrained();
    });
    // What a worker reported last may still be on its way.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async terminate(): Promise<void> {
    this.#draining = true;
    await Promise.all(this.#members.map((member) => member.thread?.terminate()));
  }

  #add(number: number): Promise<{ readonly port: number } | ListenFailure> {
    const member: Member = {
      number,
      backoff: new Backoff(100, 10_000, 30_000),
      thread: null,
      listening: false,
      serving: false,
      drained: false,
      listeners: [],
    };
    this.#members.push(member);
    return new Promise((resolve) => this.#spawn(member, resolve));
  }

  #spawn(member: Member, settled: (result: { readonly port: number } | ListenFailure) => void): void {
    const startedMs = this.#parts.nowMs();
    const sync = new MessageChannel();
    const services = new MessageChannel();
    const workerData: WorkerData = {
      ...this.#parts.data,
      worker: member.number,
      port: this.#port,
      isPortCovered: this.#port !== 0 && covers(this.#addresses, this.#port, this.#parts.data.host),
      sync: sync.port1,
      services: services.port1,
    };
    const transferList = [sync.port1, services.port1];
    const thread = new Worker(this.#parts.entry, { workerData, transferList, name: `worker-${member.number}` });
    member.thread = thread;
    this.#parts.join(member.number, sync.port2);
    this.#parts.joinServices(member.number, services.port2);
    let why = 'it ended';
    thread.on('message', (message: FromWorkerThread) => {
      this.#hear(member, message);
      if (message.t === 'listening') settled({ port: message.port });
      else if (message.t === 'cannot-listen') {
        why = message.message;
        settled(message);
        void thread.terminate();
      }
    });
    thread.on('error', (error) => {
      why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    thread.on('exit', () => {
      settled({ code: 'EXITED', message: why });
      Object.assign(member, { thread: null, listening: false, serving: false, listeners: [] });
      this.#parts.leave(member.number);
      if (this.#draining) return this.#checkDrained();
      const waitMs = member.backoff.after(this.#parts.nowMs() - startedMs);
      this.#parts.onLog('error', 'a request worker died', { worker: member.number, why, retryInMs: waitMs });
      setTimeout(() => {
        if (this.#draining) return;
        this.#parts.onRestart();
        this.#spawn(member, () => {});
      }, waitMs);
    });
  }

  #hear(member: Member, message: FromWorkerThread): void {
    switch (message.t) {
      case 'listening':
        member.listening = true;
        this.#port = message.port;
        break;
      case 'serving':
        member.serving = true;
        break;
      case 'listeners':
        member.listeners = message.states;
        this.#addresses = message.states.map((one) => one.address);
        this.#parts.onListeners?.();
        break;
      case 'report':
        this.#parts.onReport(message.report);
        break;
      case 'gauges':
        this.#parts.onGauges?.(member.number, message.gauges);
        break;
      case 'parcels': {
        const { parcels } = message;
        this.#parts.onParcels?.(parcels);
        const lineBytes = parcels.lines?.bytes.length ?? 0;
        this.#post(member, { t: 'parcels-taken', lineBytes, spanBytes: parcels.spans?.bytes.length ?? 0 }, []);
        break;
      }
      case 'log':
        this.#parts.onLog(message.level, message.event, { worker: member.number, ...message.fields });
        break;
      case 'drained':
        member.drained = true;
        this.#checkDrained();
        break;
      case 'cannot-listen':
        break;
    }
  }

  #checkDrained(): void {
    if (this.#members.every((member) => member.drained || member.thread === null)) this.#onDrained?.();
  }

  #post(member: Member, message: ToWorkerThread, transfer: MessagePort[]): void {
    member.thread?.postMessage(message, transfer);
  }
}
