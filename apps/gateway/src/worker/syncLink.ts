import type { MessagePort } from 'node:worker_threads';
import type { LeaseClient } from '../memory/ports.ts';
import type { UsageEntry as UsageNote } from '../pipeline/usageBook.ts';
import type { FromWorker, ToWorker, UsageEntry } from '../sync/thread-messages.ts';

type LeaseOutcome = 'granted' | 'exhausted' | 'unavailable';

/** A lease that is not answered in this time counts as unavailable: the sync thread died or hangs. */
const LEASE_TIMEOUT_MS = 5000;

/**
 * The worker's end of the channel to the sync thread. Requests for one subject share one question. When the sync thread is
 * replaced, what was asked of the old one is unavailable.
 */
export class SyncLink implements LeaseClient {
  readonly #onMessage: (message: ToWorker) => void;
  readonly #setTimer: (run: () => void, ms: number) => { unref(): void };
  #port: MessagePort | null = null;
  #lastId = 0;
  readonly #waiting = new Map<number, { readonly subject: string; readonly settle: (outcome: LeaseOutcome) => void }>();
  readonly #asked = new Map<string, Promise<LeaseOutcome>>();

  constructor(onMessage: (message: ToWorker) => void, setTimer: (run: () => void, ms: number) => { unref(): void }) {
    this.#onMessage = onMessage;
    this.#setTimer = setTimer;
  }

  attach(port: MessagePort): void {
    this.#port?.close();
    this.#giveUp();
    this.#port = port;
    port.on('message', (message: ToWorker) => {
      if (message.t === 'lease-answer') this.#settle(message.id, message.outcome);
      else this.#onMessage(message);
    });
    port.on('close', () => {
      if (this.#port === port) this.#giveUp();
    });
  }

  send(message: FromWorker): void {
    this.#port?.postMessage(message);
  }

  request(subject: string): Promise<LeaseOutcome> {
    const asked = this.#asked.get(subject);
    if (asked !== undefined) return asked;
    const port = this.#port;
    if (port === null) return Promise.resolve('unavailable');
    const id = ++this.#lastId;
    const answer = new Promise<LeaseOutcome>((resolve) => {
      this.#waiting.set(id, { subject, settle: resolve });
    });
    this.#asked.set(subject, answer);
    this.#setTimer(() => this.#settle(id, 'unavailable'), LEASE_TIMEOUT_MS).unref();
    port.postMessage({ t: 'lease', id, subject } satisfies FromWorker);
    return answer;
  }

  #settle(id: number, outcome: LeaseOutcome): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#asked.delete(waiting.subject);
    waiting.settle(outcome);
  }

  #giveUp(): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, 'unavailable');
  }
}

/** What the sync thread reports to the control plane, per key and UTC day. */
export function usageEntries(notes: readonly UsageNote[]): UsageEntry[] {
  return notes.map((note) => ({
    kid: note.kid,
    day: new Date(note.lastUsedMs).toISOString().slice(0, 10),
    allowed: note.allowed,
    refused: note.refused,
    lastUsedS: Math.floor(note.lastUsedMs / 1000),
    lastAddress: note.lastAddress === '' ? null : note.lastAddress.slice(0, 64),
    lastUserAgent: note.lastUserAgent,
  }));
}
