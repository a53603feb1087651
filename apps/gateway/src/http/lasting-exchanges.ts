import type { LastingByKey } from '../seam.ts';
import type { Exchange } from './exchange.ts';

/** A request that takes longer than this is one that lasts. */
const LASTING_MS = 500;
const NONE: readonly Exchange[] = [];

/**
 * Forwarded exchanges, oldest first, as a list through the exchanges themselves: beginning and ending cost four writes and no memory.
 * Those that last, and upgraded streams at once, move to a map by key id.
 */
export class LastingExchanges implements LastingByKey {
  readonly groups = new Map<string, Set<Exchange>>();
  readonly #monotonicMs: () => number;
  #oldest: Exchange | null = null;
  #newest: Exchange | null = null;
  #arrived: Exchange[] = [];

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  began(exchange: Exchange): void {
    exchange.watched = 'young';
    exchange.older = this.#newest;
    if (this.#newest === null) this.#oldest = exchange;
    else this.#newest.younger = exchange;
    this.#newest = exchange;
  }

  /** It lasts, from now on. */
  settle(exchange: Exchange): void {
    if (exchange.watched !== 'young') return;
    this.#unlink(exchange);
    const kid = exchange.admission.kid ?? '';
    exchange.watched = 'lasting';
    exchange.groupKid = kid;
    const group = this.groups.get(kid);
    if (group === undefined) this.groups.set(kid, new Set([exchange]));
    else group.add(exchange);
    this.#arrived.push(exchange);
  }

  ended(exchange: Exchange): void {
    if (exchange.watched === 'young') this.#unlink(exchange);
    else if (exchange.watched === 'lasting') {
      const group = this.groups.get(exchange.groupKid);
      if (group?.delete(exchange) && group.size === 0) this.groups.delete(exchange.groupKid);
    }
    exchange.watched = 'no';
  }

  arrivals(): readonly Exchange[] {
    const untilMs = this.#monotonicMs() - LASTING_MS;
    while (this.#oldest !== null && this.#oldest.startedMs <= untilMs) this.settle(this.#oldest);
    if (this.#arrived.length === 0) return NONE;
    const arrived = this.#arrived.filter((one) => !one.over);
    this.#arrived = [];
    return arrived;
  }

  #unlink(exchange: Exchange): void {
    const { older, younger } = exchange;
    if (older === null) this.#oldest = younger;
    else older.younger = younger;
    if (younger === null) this.#newest = older;
    else younger.older = older;
    exchange.older = null;
    exchange.younger = null;
  }
}
