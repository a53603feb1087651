import { type MessagePort, Worker } from 'node:worker_threads';
import type { FromServices, ServicesThreadData, ToServices } from '../services/messages.ts';
import { Backoff } from './backoff.ts';

export interface ServicesThreadParts {
  readonly entry: URL;
  readonly data: ServicesThreadData;
  readonly nowMs: () => number;
  readonly onMessage: (message: FromServices) => void;
  /** A thread was started after one had died: the workers need new channels. */
  readonly onRestart: () => void;
  readonly onDeath: (why: string, retryInMs: number) => void;
}

export interface CommandResult {
  readonly ok: boolean;
  readonly body: unknown;
}

/** Keeps one services thread alive. While there is none, workers go on with the key sets they have. */
export class ServicesThread {
  readonly #parts: ServicesThreadParts;
  readonly #backoff = new Backoff(200, 10_000, 60_000);
  readonly #asked = new Map<string, (result: CommandResult) => void>();
  #thread: Worker;
  #stopping = false;

  constructor(parts: ServicesThreadParts) {
    this.#parts = parts;
    this.#thread = this.#start();
  }

  join(worker: number, port: MessagePort): void {
    this.#post({ t: 'worker-joined', worker, port }, [port]);
  }

  leave(worker: number): void {
    this.#post({ t: 'worker-left', worker }, []);
  }

  /** Never rejects; a thread that dies meanwhile is an answer too. */
  command(id: string, name: string, args: Readonly<Record<string, unknown>>): Promise<CommandResult> {
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#post({ t: 'command', id, name, args }, []);
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#thread.terminate();
  }

  #post(message: ToServices, transfer: MessagePort[]): void {
    this.#thread.postMessage(message, transfer);
  }

  #start(): Worker {
    const startedMs = this.#parts.nowMs();
    const thread = new Worker(this.#parts.entry, { workerData: this.#parts.data, name: 'services' });
    let why = 'it ended';
    thread.on('message', (message: FromServices) => {
      if (message.t === 'command-result') {
        this.#asked.get(message.id)?.({ ok: message.ok, body: message.body });
        this.#asked.delete(message.id);
      } else this.#parts.onMessage(message);
    });
    thread.on('error', (error) => {
      why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    thread.on('exit', () => {
      for (const resolve of this.#asked.values()) resolve({ ok: false, body: { why: 'the services thread died' } });
      this.#asked.clear();
      if (this.#stopping) return;
      const waitMs = this.#backoff.after(this.#parts.nowMs() - startedMs);
      this.#parts.onDeath(why, waitMs);
      setTimeout(() => {
        if (this.#stopping) return;
        this.#thread = this.#start();
        this.#parts.onRestart();
      }, waitMs);
    });
    return thread;
  }
}
