import { type Listener as ListenerSpec, PLAIN_LISTENER, splitListenAddress } from '@fluxgate/policy';
import { covers } from './covers.ts';
import { type ListenerParts, type ListenerState, OpenListener } from './listener.ts';

export interface ListenersParts extends ListenerParts {
  /** Told whenever something about a listener is different. */
  readonly onChange: (states: readonly ListenerState[]) => void;
  /** Something threw that should not have; the next change is made all the same. */
  readonly onFault: (error: unknown) => void;
}

/**
 * All addresses of one worker: the one that the node was started with, and those of the configuration. A change opens and closes only
 * what differs; a listener that fails stops no other, and is tried again with every look at the files.
 */
export class Listeners {
  readonly #parts: ListenersParts;
  readonly #open = new Map<string, OpenListener>();
  #own: OpenListener | null = null;
  #ownHost = '';
  #ownPort = 0;
  #wanted: readonly ListenerSpec[] = [];
  #closed = false;
  /** Changes are made one after the other: a plan may come while another is still being opened. */
  #turn: Promise<void> = Promise.resolve();
  #told = '';

  constructor(parts: ListenersParts) {
    this.#parts = parts;
  }

  /** The address that the node was started with; rejects if it cannot be had. Resolves with its port. */
  async openOwn(port: number, host: string): Promise<number> {
    const own = this.#newOwn(host, port);
    await own.open();
    this.#own = own;
    this.#ownHost = host;
    this.#ownPort = own.boundPort ?? port;
    return this.#ownPort;
  }

  /** The same address, taken by a configured listener in the other workers: only opened if the plan does not cover it. */
  expectOwn(port: number, host: string): void {
    this.#ownHost = host;
    this.#ownPort = port;
  }

  apply(specs: readonly ListenerSpec[]): Promise<void> {
    this.#wanted = specs;
    return this.#next();
  }

  /** SIGHUP (`force`), or time to look whether files have changed. */
  refresh(force: boolean): void {
    this.#turn = this.#turn.then(() => {
      for (const one of this.#open.values()) one.refresh(force);
    });
    void this.#next();
  }

  /** No further connections. */
  close(): void {
    this.#closed = true;
    this.#own?.close();
    for (const one of this.#open.values()) one.close();
  }

  get states(): readonly ListenerState[] {
    return [...this.#open.values()].map((one) => one.state);
  }

  #next(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#apply()).catch(this.#parts.onFault);
    return this.#turn;
  }

  async #apply(): Promise<void> {
    if (this.#closed) return;
    const wanted = new Map(this.#wanted.map((spec) => [spec.address, spec]));
    for (const [address, one] of this.#open) {
      if (wanted.has(address)) continue;
      one.close();
      this.#open.delete(address);
    }
    for (const [address, spec] of wanted) {
      const one = this.#open.get(address);
      if (one !== undefined && JSON.stringify(one.spec) !== JSON.stringify(spec)) one.change(spec);
      else if (one === undefined) {
        const at = splitListenAddress(address); // judged before; nothing is opened for what cannot be read
        if (at !== null) this.#open.set(address, new OpenListener(at.host, at.port, spec, this.#parts));
      }
    }
    await this.#settleOwn();
    await Promise.all([...this.#open.values()].map((one) => one.open().catch(() => {}))); // its state tells
    const states = this.states;
    const text = JSON.stringify(states);
    if (text === this.#told) return;
    this.#told = text;
    this.#parts.onChange(states);
  }

  /** A configured listener on the node's own port takes its place: two on one port would share its connections. */
  async #settleOwn(): Promise<void> {
    if (this.#ownPort === 0) return;
    if (covers([...this.#open.keys()], this.#ownPort, this.#ownHost)) {
      this.#own?.close();
      this.#own = null;
    } else if (this.#own === null) {
      const own = this.#newOwn(this.#ownHost, this.#ownPort);
      await own.open().then(
        () => {
          this.#own = own;
        },
        () => {}, // tried again with the next look
      );
    }
  }

  #newOwn(host: string, port: number): OpenListener {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    return new OpenListener(host, port, { address, tls: [], ...PLAIN_LISTENER }, this.#parts);
  }
}
