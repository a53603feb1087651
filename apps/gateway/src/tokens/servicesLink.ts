import type { MessagePort } from 'node:worker_threads';
import type { TokenProvider } from '@fluxgate/policy';
import type { FromTokenWorker, KeysMessage, ToTokenWorker } from '../services/messages.ts';

/** A question that is not answered in this time was asked of a thread that died or hangs. A fetch may take 5 s, with discovery twice that. */
const ASK_TIMEOUT_MS = 11_000;

/** The worker's end of the channel to the services thread. When that thread is replaced, open questions end without an answer. */
export class ServicesLink {
  readonly #onKeys: (message: KeysMessage) => void;
  readonly #after: (ms: number, run: () => void) => { unref(): void };
  #port: MessagePort | null = null;
  #providers: readonly TokenProvider[] = [];
  #lastId = 0;
  readonly #waiting = new Map<number, (coolUntilMs: number | null) => void>();

  constructor(onKeys: (message: KeysMessage) => void, after: (ms: number, run: () => void) => { unref(): void }) {
    this.#onKeys = onKeys;
    this.#after = after;
  }

  attach(port: MessagePort): void {
    this.#port?.close();
    this.#giveUp();
    this.#port = port;
    port.on('message', (message: ToTokenWorker) => {
      if (message.t === 'keys') this.#onKeys(message);
      else this.#settle(message.id, message.coolUntilMs);
    });
    port.on('close', () => {
      if (this.#port === port) this.#giveUp();
    });
    this.#send({ t: 'providers', providers: this.#providers });
  }

  setProviders(providers: readonly TokenProvider[]): void {
    this.#providers = providers;
    this.#send({ t: 'providers', providers });
  }

  ask(provider: string, kid: string | null): Promise<number | null> {
    if (this.#port === null) return Promise.resolve(null);
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#after(ASK_TIMEOUT_MS, () => this.#settle(id, null)).unref();
      this.#send({ t: 'want', id, provider, kid });
    });
  }

  #send(message: FromTokenWorker): void {
    this.#port?.postMessage(message);
  }

  #settle(id: number, coolUntilMs: number | null): void {
    const resolve = this.#waiting.get(id);
    if (resolve === undefined) return;
    this.#waiting.delete(id);
    resolve(coolUntilMs);
  }

  #giveUp(): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, null);
  }
}
