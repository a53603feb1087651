import type { KeyIndexReader } from '../memory/ports.ts';
import type { Ending, Lasting, LastingByKey } from '../seam.ts';
import { type KeyRoom, lookUp } from './authenticate.ts';
import type { AcceptedToken } from './exchange.ts';
import { type Ground, judgeStanding, type KeyStanding, keyStanding, NO_KEY, tokenEnd, UNKNOWN_KEY } from './standing.ts';

/**
 * Lasting exchanges against the state of now. Asked ten times a second; as long as no key has changed, no plan has come and no credential
 * has reached its end, that costs one atomic load. Else every key that has something open is looked up once, and its exchanges are
 * judged: all of them after a new plan, else those whose key or token has moved.
 */
export class Review {
  #index: KeyIndexReader | null = null;
  #changes = 0;
  #ground: Omit<Ground, 'nowMs'> | null = null;
  /** The earliest end of any credential behind an open exchange. */
  #nextEndMs = Number.POSITIVE_INFINITY;
  /** Something could not be said last time. */
  #again = false;

  run(lasting: LastingByKey, room: KeyRoom, ground: Omit<Ground, 'nowMs'>, nowMs: number): void {
    const arrivals = lasting.arrivals();
    const { index } = room;
    // Read before the keys: what changes while they are looked up is looked at again.
    const changes = index?.changes ?? 0;
    const moved = index !== this.#index || changes !== this.#changes || ground !== this.#ground || this.#again;
    if (moved || nowMs >= this.#nextEndMs) {
      this.#index = index;
      this.#changes = changes;
      this.#ground = ground;
      this.#nextEndMs = Number.POSITIVE_INFINITY;
      this.#again = false;
      for (const [kid, group] of lasting.groups) this.#judge(kid, group, room, { ...ground, nowMs });
    } else for (const one of arrivals) this.#judge(one.admission.kid ?? '', [one], room, { ...ground, nowMs });
  }

  #judge(kid: string, group: Iterable<Lasting>, room: KeyRoom, ground: Ground): void {
    const key = this.#keyOf(kid, room, ground.nowMs);
    if (key.state === 'unknown') this.#again = true;
    const condemned: [Lasting, Ending][] = [];
    for (const one of group) {
      const ending = judgeStanding(one, key, ground);
      if (ending !== null) condemned.push([one, ending]);
      else if (one.admission.bearer) this.#endsAt(tokenEnd(one.admission.bearer as AcceptedToken));
    }
    if (key.state === 'live') this.#endsAt(key.endsMs);
    for (const [one, ending] of condemned) one.end(ending);
  }

  #keyOf(kid: string, room: KeyRoom, nowMs: number): KeyStanding {
    if (kid === '') return NO_KEY;
    const view = room.index === null ? undefined : lookUp(room, room.index, kid);
    return view === undefined ? UNKNOWN_KEY : keyStanding(view, room, nowMs);
  }

  #endsAt(ms: number): void {
    if (ms < this.#nextEndMs) this.#nextEndMs = ms;
  }
}
