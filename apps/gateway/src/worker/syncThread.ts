import { type MessagePort, Worker } from 'node:worker_threads';
import type { FromSync, SyncStatus, SyncThreadData, ToSync } from '../sync/thread-messages.ts';
import { Backoff } from './backoff.ts';

export interface SyncThreadParts {
  readonly entry: URL;
  readonly data: SyncThreadData;
  readonly nowMs: () => number;
  readonly onMessage: (message: FromSync) => void;
  /** A thread was started after one had died: the workers need new channels. */
  readonly onRestart: () => void;
  readonly onDeath: (why: string, retryInMs: number) => void;
}

/** Keeps one sync thread alive. Its memory dies with it; leases and rates are main's, and the state is on disk and at the control plane. */
export class SyncThread {
  readonly #parts: SyncThreadParts;
  readonly #backoff = new Backoff(200, 10_000, 60_000);
  #thread: Worker;
  #stopping = false;
  #stopped: (() => void) | null = null;
  status: SyncStatus | null = null;

  constructor(parts: SyncThreadParts) {
    this.#parts = parts;
    this.#thread = this.#start();
  }

  join(worker: number, port: MessagePort): void {
    this.#post({ t: 'worker-joined', worker, port }, [port]);
  }

  leave(worker: number): void {
    this.#post({ t: 'worker-left', worker }, []);
  }

  /** What came of a `command` message of the thread. */
  answer(id: string, result: { readonly ok: boolean; readonly body: unknown }): void {
    this.#post({ t: 'command-result', id, ...result }, []);
  }

  /** Resolves when the thread has put its house in order, or after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    await new Promise<void>((resolve) => {
      this.#stopped = resolve;
      setTimeout(resolve, deadlineMs).unref();
      this.#post({ t: 'stop' }, []);
    });
    // A thread that hangs in a system call cannot be terminated; the process ends without it.
    const givenUp = new Promise<void>((resolve) => setTimeout(resolve, 1000).unref());
    await Promise.race([this.#thread.terminate(), givenUp]);
  }

  #post(message: ToSync, transfer: MessagePort[]): void {
    this.#thread.postMessage(message, transfer);
  }

  #start(): Worker {
    const startedMs = this.#parts.nowMs();
    const thread = new Worker(this.#parts.entry, { workerData: this.#parts.data, name: 'sync' });
    let why = 'it ended';
    thread.on('message', (message: FromSync) => {
      if (message.t === 'status') this.status = message.status;
      if (message.t === 'stopped') this.#stopped?.();
      this.#parts.onMessage(message);
    });
    thread.on('error', (error) => {
      why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    thread.on('exit', () => {
      this.#stopped?.();
      if (this.#stopping) return;
      if (this.status !== null)
        this.status = { ...this.status, connected: false, trouble: 'the sync thread died and is being started again' };
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
