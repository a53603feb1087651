import type { LeaseGrant, LeaseRequest, LeaseReturn, LeaseSubject } from '@fluxgate/protocol/sync';
import type { LeaseKeeper } from '../memory/lease-keeper.ts';

type Outcome = 'granted' | 'exhausted' | 'unavailable';

/** How long a request may wait for a lease. */
const WAIT_MS = 2000;
/**
 * A line that was just lost (or, at start, is not there yet) is likely to be back: who asks meanwhile waits this long before hearing
 * `unavailable`, so that a restart of the control plane or of the node refuses nobody.
 */
const AWAY_GRACE_MS = 1500;
/** A question that is not answered by then is given up; should its grant still come, its tokens are lost. */
const ABANDON_MS = 10_000;
/** Workers answer `exhausted` on their own for this long: another node may give tokens back. */
const EXHAUSTED_MS = 2000;
/** A lease should last about this long at the observed rate. */
const HORIZON_S = 10;
const WANT_MIN = 16;
const WANT_MAX = 1_000_000;
/** A lease that was gone sooner than this was too small. */
const SHORT_LIVED_MS = 2000;
/** The clocks of machines run apart by less than this. */
const DRIFT = 0.001;

interface Waiter {
  readonly deadlineMs: number;
  readonly settle: (outcome: Outcome) => void;
}

interface Flight {
  readonly id: number;
  readonly sentMs: number;
  readonly want: number;
  waiters: Waiter[];
}

interface LastGrant {
  readonly atMs: number;
  readonly want: number;
}

/** `q:<credential>:<window>` or `b:<kid>`; null: neither. */
export function parseSubject(text: string): LeaseSubject | null {
  const budget = /^b:([0-9A-Za-z]{12})$/.exec(text);
  if (budget?.[1] !== undefined) return { kind: 'budget', kid: budget[1] };
  const quota = /^q:(0|[1-9][0-9]{0,9}):([\x21-\x7e]{1,32})$/.exec(text);
  if (quota?.[1] === undefined || quota[2] === undefined) return null;
  return { kind: 'quota', credential: Number(quota[1]), window: quota[2] };
}

export interface LeaseDeskParts {
  readonly keeper: LeaseKeeper;
  readonly monotonicMs: () => number;
  /** False: not connected, it was not sent. */
  readonly send: (message: LeaseRequest | LeaseReturn) => boolean;
}

/**
 * The node's side of leases: one question per subject at a time, however many workers wait for it. A grant is counted once; nothing
 * is asked twice that may already be granted, since a lost grant only loses tokens, and a repeated one could mint some.
 */
export class LeaseDesk {
  readonly #parts: LeaseDeskParts;
  readonly #flights = new Map<string, Flight>();
  readonly #subjects = new Map<number, string>();
  readonly #last = new Map<string, LastGrant>();
  #id = 0;
  #connected = false;
  /** Until when a line that is away is still waited for. */
  #graceUntilMs = 0;
  #lobby: (Waiter & { readonly subject: string })[] = [];
  readonly counts = { requested: 0, granted: 0, exhausted: 0, unavailable: 0 };

  constructor(parts: LeaseDeskParts) {
    this.#parts = parts;
  }

  connected(): void {
    this.#connected = true;
    this.#parts.keeper.setAuthority(true);
    const waiting = this.#lobby;
    this.#lobby = [];
    for (const { subject, settle } of waiting) this.request(subject, settle);
  }

  /** What was asked on that socket will not be answered any more; who waited for it asks again on the next, for a short while. */
  disconnected(): void {
    this.#connected = false;
    this.#graceUntilMs = this.#parts.monotonicMs() + AWAY_GRACE_MS;
    this.#parts.keeper.setAuthority(true);
    for (const [subject, flight] of this.#flights) {
      for (const waiter of flight.waiters) this.#lobby.push({ ...waiter, subject });
      this.#parts.keeper.rearm(subject);
    }
    this.#flights.clear();
    this.#subjects.clear();
  }

  request(subject: string, settle: (outcome: Outcome) => void): void {
    const nowMs = this.#parts.monotonicMs();
    const nobodyNeedsToAsk = this.#parts.keeper.isSpendable(subject, nowMs); // somebody else's answer came first
    const flight = nobodyNeedsToAsk ? null : this.#depart(subject);
    if (flight !== null) {
      flight.waiters.push({ deadlineMs: nowMs + WAIT_MS, settle });
    } else if (nobodyNeedsToAsk) {
      settle('granted');
    } else if (!this.#connected && nowMs < this.#graceUntilMs && parseSubject(subject) !== null) {
      this.#lobby.push({ deadlineMs: nowMs + WAIT_MS, settle, subject });
    } else {
      this.counts.unavailable += 1;
      settle('unavailable');
    }
  }

  /** Nobody waits. */
  prefetch(subject: string): void {
    if (this.#depart(subject) === null) this.#parts.keeper.rearm(subject);
  }

  #depart(subject: string): Flight | null {
    const under = this.#flights.get(subject);
    if (under !== undefined) return under;
    const parsed = parseSubject(subject);
    if (parsed === null || !this.#connected) return null;
    this.#id += 1;
    const sentMs = this.#parts.monotonicMs();
    const want = this.#want(subject, sentMs);
    if (!this.#parts.send({ t: 'lease_request', id: this.#id, subject: parsed, want })) return null;
    const flight: Flight = { id: this.#id, sentMs, want, waiters: [] };
    this.#flights.set(subject, flight);
    this.#subjects.set(flight.id, subject);
    this.counts.requested += 1;
    return flight;
  }

  #want(subject: string, nowMs: number): number {
    const last = this.#last.get(subject);
    const byRate = Math.ceil(this.#parts.keeper.ratePerS(subject) * HORIZON_S);
    const byHunger = last !== undefined && nowMs - last.atMs < SHORT_LIVED_MS ? last.want * 4 : 0;
    return Math.min(WANT_MAX, Math.max(WANT_MIN, byRate, byHunger));
  }

  onGrant(grant: LeaseGrant): void {
    const subject = this.#subjects.get(grant.id);
    const flight = subject === undefined ? undefined : this.#flights.get(subject);
    if (subject === undefined || flight === undefined || flight.id !== grant.id) return;
    const { keeper, monotonicMs } = this.#parts;
    const nowMs = monotonicMs();
    // From when it was asked, not from when the answer came: the window cannot end later than this.
    const deadlineMs = grant.remainingMs === null ? Number.POSITIVE_INFINITY : flight.sentMs + grant.remainingMs * (1 - DRIFT);
    let outcome: Outcome = 'unavailable';
    if (grant.granted > 0 && grant.granted <= flight.want) {
      const lease = {
        leaseId: grant.leaseId,
        tokens: grant.granted,
        deadlineMs,
        left: grant.left,
        idleReturnMs: grant.idleReturnMs,
      };
      if (keeper.grant(subject, lease, nowMs)) {
        outcome = 'granted';
        this.counts.granted += grant.granted;
        this.#last.set(subject, { atMs: nowMs, want: flight.want });
      }
    } else if (grant.granted === 0 && grant.exhausted) {
      outcome = 'exhausted';
      this.counts.exhausted += 1;
      keeper.markExhausted(subject, Math.min(nowMs + EXHAUSTED_MS, deadlineMs), nowMs);
    }
    this.#land(subject, outcome);
  }

  #land(subject: string, outcome: Outcome): void {
    const flight = this.#flights.get(subject);
    if (flight === undefined) return;
    this.#flights.delete(subject);
    this.#subjects.delete(flight.id);
    if (outcome === 'unavailable') {
      this.counts.unavailable += 1;
      this.#parts.keeper.rearm(subject);
    }
    for (const { settle } of flight.waiters) settle(outcome);
  }

  /** Ends waits that took too long. Call a few times a second. */
  expire(): void {
    const nowMs = this.#parts.monotonicMs();
    if (!this.#connected && nowMs >= this.#graceUntilMs) this.#giveUp();
    for (const [subject, flight] of this.#flights) {
      const late = flight.waiters.filter((waiter) => waiter.deadlineMs <= nowMs);
      flight.waiters = flight.waiters.filter((waiter) => waiter.deadlineMs > nowMs);
      for (const { settle } of late) {
        this.counts.unavailable += 1;
        settle('unavailable');
      }
      if (nowMs - flight.sentMs > ABANDON_MS) this.#land(subject, 'unavailable');
    }
  }

  /** Nobody is there to ask: workers refuse by `on_authority_loss` without asking us. */
  #giveUp(): void {
    this.#parts.keeper.setAuthority(false);
    const waiting = this.#lobby;
    this.#lobby = [];
    for (const { settle } of waiting) {
      this.counts.unavailable += 1;
      settle('unavailable');
    }
  }

  /** Measures use and gives back what lies idle. Call once a second. */
  tend(): void {
    const { keeper, monotonicMs } = this.#parts;
    const nowMs = monotonicMs();
    keeper.observe(nowMs);
    for (const [subject, last] of this.#last) if (nowMs - last.atMs > 10 * SHORT_LIVED_MS) this.#last.delete(subject);
    if (this.#connected) this.#giveBack(keeper.takeBackIdle(nowMs));
  }

  /** Before the node stops. */
  returnAll(): void {
    if (this.#connected) this.#giveBack(this.#parts.keeper.takeBackAll());
  }

  #giveBack(all: readonly { readonly subject: string; readonly leaseId: string; readonly amount: number }[]): void {
    for (const { subject, leaseId, amount } of all) {
      const parsed = parseSubject(subject);
      // Sent once or lost: the tokens cannot be spent here any more.
      if (parsed !== null) this.#parts.send({ t: 'lease_return', leaseId, subject: parsed, amount });
    }
  }
}
