import type { LookupAddress, LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';

export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

interface Known {
  addresses: readonly LookupAddress[];
  untilMs: number;
  asking: Promise<readonly LookupAddress[]> | null;
  turn: number;
}

/**
 * Names of upstreams, asked again when their answer is older than `ttlMs`: new connections follow the name, and kept ones to an
 * address it lost are told to `onChange`. An answer that fails later leaves the last good one in force.
 */
export class Resolver {
  readonly #known = new Map<string, Known>();
  readonly #resolve: Resolve;
  readonly #ttlMs: number;
  readonly #nowMs: () => number;
  readonly #onChange: (host: string, addresses: ReadonlySet<string>) => void;

  constructor(
    resolve: Resolve,
    ttlMs: number,
    nowMs: () => number,
    onChange: (host: string, addresses: ReadonlySet<string>) => void,
  ) {
    this.#resolve = resolve;
    this.#ttlMs = ttlMs;
    this.#nowMs = nowMs;
    this.#onChange = onChange;
  }

  /** For `net.connect`: addresses start at another one each time, so that connections spread. */
  readonly lookup: LookupFunction = (host: string, options: LookupOptions, done) => {
    this.addressesOf(host).then(
      (addresses) => {
        const known = this.#known.get(host)!;
        const turn = known.turn++ % addresses.length;
        const turned = [...addresses.slice(turn), ...addresses.slice(0, turn)];
        if (options.all === true) done(null, turned);
        else done(null, turned[0]!.address, turned[0]!.family);
      },
      (error: NodeJS.ErrnoException) => done(error, '', 0),
    );
  };

  async addressesOf(host: string): Promise<readonly LookupAddress[]> {
    let known = this.#known.get(host);
    if (known === undefined) {
      known = { addresses: [], untilMs: 0, asking: null, turn: 0 };
      this.#known.set(host, known);
    }
    if (known.addresses.length > 0 && this.#nowMs() < known.untilMs) return known.addresses;
    const asking = this.#ask(host, known);
    // A name that was known goes on with what it had while the new answer is on its way.
    return known.addresses.length > 0 ? known.addresses : asking;
  }

  /** Asks again for every name whose answer is old: connections kept open would never ask. */
  refresh(): void {
    for (const [host, known] of this.#known)
      if (known.addresses.length > 0 && this.#nowMs() >= known.untilMs) void this.#ask(host, known);
  }

  forget(keep: ReadonlySet<string>): void {
    for (const host of [...this.#known.keys()]) if (!keep.has(host)) this.#known.delete(host);
  }

  #ask(host: string, known: Known): Promise<readonly LookupAddress[]> {
    known.asking ??= this.#resolve(host).then(
      (addresses) => {
        known.asking = null;
        if (addresses.length === 0) throw new Error(`${host} has no address`);
        known.untilMs = this.#nowMs() + this.#ttlMs;
        const before = known.addresses;
        known.addresses = addresses;
        const now = new Set(addresses.map((one) => one.address));
        if (before.some((one) => !now.has(one.address))) this.#onChange(host, now);
        return addresses;
      },
      (error: unknown) => {
        known.asking = null;
        if (known.addresses.length === 0) throw error;
        known.untilMs = this.#nowMs() + this.#ttlMs / 4;
        return known.addresses;
      },
    );
    known.asking.catch(() => {}); // callers that wait see it; a refresh that nobody waits for must not be unhandled
    return known.asking;
  }
}
