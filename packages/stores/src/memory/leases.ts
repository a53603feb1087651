import { leaseSize } from '@fluxgate/policy';
import type { Lease, LeaseAuthority, LeaseDemand, LeaseSubject } from '../ports/lease-authority.ts';

const keyOf = (realm: string, subject: LeaseSubject) =>
  subject.kind === 'quota' ? `${realm}/q/${subject.credential}/${subject.window}` : `${realm}/b/${subject.kid}`;

/** The twin of the durable authority for tests: same suite, same answers, but counts die with the process. */
export class MemoryLeaseAuthority implements LeaseAuthority {
  readonly #limits = new Map<string, { limit: number; endsAtMs: number | null }>();
  readonly #allotted = new Map<string, number>();
  readonly #granted = new Map<string, { key: string; holder: string; amount: number }>();
  readonly #clock: () => number;
  #serial = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Sets or changes a limit; `endsAtMs` null for a budget. Subjects without one have nothing to hand out. */
  setLimit(realm: string, subject: LeaseSubject, limit: number, endsAtMs: number | null): void {
    this.#limits.set(keyOf(realm, subject), { limit, endsAtMs });
  }

  async grant({ realm, holder, subject, want, activeNodes }: LeaseDemand): Promise<Lease> {
    const key = keyOf(realm, subject);
    const place = this.#limits.get(key);
    if (place === undefined) return { leaseId: '', granted: 0, exhausted: true, limit: 0, left: 0, remainingMs: null };
    const { limit, endsAtMs } = place;
    const remainingMs = endsAtMs === null ? null : Math.max(0, endsAtMs - this.#clock());
    const before = this.#allotted.get(key) ?? 0;
    const taken = Math.min(want, leaseSize({ left: limit - before, activeNodes, ratePerS: want, horizonS: 1 }));
    if (taken <= 0) return { leaseId: '', granted: 0, exhausted: true, limit, left: 0, remainingMs };
    this.#allotted.set(key, before + taken);
    this.#serial += 1;
    const leaseId = `lease-${this.#serial}`;
    this.#granted.set(leaseId, { key, holder, amount: taken });
    return { leaseId, granted: taken, exhausted: false, limit, left: limit - before - taken, remainingMs };
  }

  async giveBack(_realm: string, holder: string, leaseId: string, amount: number): Promise<boolean> {
    const grant = this.#granted.get(leaseId);
    if (grant === undefined || grant.holder !== holder) return false;
    this.#granted.delete(leaseId);
    if (!Number.isInteger(amount) || amount < 1 || amount > grant.amount) return false;
    this.#allotted.set(grant.key, (this.#allotted.get(grant.key) ?? 0) - amount);
    return true;
  }
}
