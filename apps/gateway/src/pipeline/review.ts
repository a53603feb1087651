import type { KeyIndexReader, KeyView } from '../memory/ports.ts';
import type { Ending, Lasting, LastingByKey } from '../seam.ts';
import { type KeyRoom, lookUp } from './authenticate.ts';
import type { AcceptedToken } from './exchange.ts';
import { type Ground, judgeStanding, type KeyStanding, keyStanding, NO_KEY, tokenEnd, UNKNOWN_KEY } from './standing.ts';

/** A key record when its exchanges were judged last, and the first moment at which time alone will change the judgement. */
interface Judged {
  readonly state: number;
  readonly notAfterS: number;
  readonly grant: number;
  endsMs: number;
}

const NO_RECORD = { state: -1, notAfterS: 0, grant: 0 } as const;

/**
 * Lasting exchanges against the state of now, asked several times a second. While no key has changed, no plan has come and no credential
 * has reached its end, that costs one atomic load. Otherwise each key that has something open is looked up once, and its exchanges are
 * judged if its record is another one than before; after a new plan all are.
 */
export class Review {
  #index: KeyIndexReader | null = null;
  #changes = 0;
  #ground: Ground | null = null;
  #judged = new WeakMap<ReadonlySet<Lasting>, Judged>();
  /** The earliest end of any credential behind an open exchange. */
  #nextEndMs = Number.POSITIVE_INFINITY;
  /** Something could not be said last time. */
  #again = false;

  run(lasting: LastingByKey, room: KeyRoom, ground: Ground, nowMs: number): void {
    const arrivals = lasting.arrivals();
    const { index } = room;
    // Read before the keys: what changes while they are looked up is looked at again.
    const changes = index?.changes ?? 0;
    if (ground !== this.#ground || index !== this.#index) this.#judged = new WeakMap();
    // Its key's record may be known, but this exchange has not been judged by it.
    for (const one of arrivals) {
      const group = lasting.groups.get(one.admission.kid ?? '');
      if (group !== undefined) this.#judged.delete(group);
    }
    const moved = index !== this.#index || changes !== this.#changes || ground !== this.#ground || arrivals.length > 0;
    if (!moved && !this.#again && nowMs < this.#nextEndMs) return;
    this.#index = index;
    this.#changes = changes;
    this.#ground = ground;
    this.#nextEndMs = Number.POSITIVE_INFINITY;
    this.#again = false;
    for (const [kid, group] of lasting.groups) this.#look(kid, group, room, ground, nowMs);
  }

  #look(kid: string, group: ReadonlySet<Lasting>, room: KeyRoom, ground: Ground, nowMs: number): void {
    const view = kid === '' || room.index === null ? undefined : lookUp(room, room.index, kid);
    const before = this.#judged.get(group);
    const record = view ?? NO_RECORD;
    if (before !== undefined && isSame(before, record) && nowMs < before.endsMs) {
      if (before.endsMs < this.#nextEndMs) this.#nextEndMs = before.endsMs;
      return;
    }
    const now: Judged = { state: record.state, notAfterS: record.notAfterS, grant: record.grant, endsMs: 0 };
    const key = this.#standing(kid, view, room, nowMs);
    now.endsMs = this.#judge(group, key, ground, nowMs);
    if (key.state === 'unknown') this.#again = true;
    else this.#judged.set(group, now);
    if (now.endsMs < this.#nextEndMs) this.#nextEndMs = now.endsMs;
  }

  #standing(kid: string, view: KeyView | null | undefined, room: KeyRoom, nowMs: number): KeyStanding {
    if (kid === '') return NO_KEY;
    return view === undefined ? UNKNOWN_KEY : keyStanding(view, room, nowMs);
  }

  /** Answers when time alone will end the first of those that go on. */
  #judge(group: ReadonlySet<Lasting>, key: KeyStanding, ground: Ground, nowMs: number): number {
    let endsMs = key.state === 'live' ? key.endsMs : Number.POSITIVE_INFINITY;
    const condemned: [Lasting, Ending][] = [];
    for (const one of group) {
      const ending = judgeStanding(one, key, ground, nowMs);
      if (ending !== null) condemned.push([one, ending]);
      else if (one.admission.bearer) endsMs = Math.min(endsMs, tokenEnd(one.admission.bearer as AcceptedToken));
    }
    for (const [one, ending] of condemned) one.end(ending);
    return endsMs;
  }
}

const isSame = (judged: Judged, record: Pick<Judged, 'state' | 'notAfterS' | 'grant'>): boolean =>
  judged.state === record.state && judged.notAfterS === record.notAfterS && judged.grant === record.grant;
