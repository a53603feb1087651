import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { LeaseAuthority, LeaseSubject } from '../ports/lease-authority.ts';

/** What a suite needs of one implementation. Limits belong to the realm `leases`. */
export interface LeaseFixture {
  readonly authority: LeaseAuthority;
  /** A second process over the same counts; null where counts belong to one process. */
  readonly restarted: (() => LeaseAuthority) | null;
  setQuota(credential: number, limit: number): Promise<LeaseSubject>;
  setBudget(serial: number, limit: number): Promise<LeaseSubject>;
  close(): Promise<void>;
}

const realm = 'leases';

export function leaseAuthoritySuite(name: string, open: () => Promise<LeaseFixture>): void {
  describe(`a lease authority: ${name}`, () => {
    let fixture: LeaseFixture;
    let serial = 0;
    beforeAll(async () => {
      fixture = await open();
    }, 60_000);
    afterAll(() => fixture.close());
    const demand = (subject: LeaseSubject, want: number, holder = 'node-a', activeNodes = 1) => ({
      realm,
      holder,
      subject,
      want,
      activeNodes,
    });
    const subjects = [
      ['quota', (limit: number) => fixture.setQuota(++serial, limit)],
      ['budget', (limit: number) => fixture.setBudget(++serial, limit)],
    ] as const;

    for (const [kind, make] of subjects) {
      test(`twenty clients at once never get more than a ${kind}, and together they get all of it`, async () => {
        const limit = 1_000;
        const subject = await make(limit);
        const clients = Array.from({ length: 20 }, async (_, client) => {
          let got = 0;
          for (;;) {
            const lease = await fixture.authority.grant(demand(subject, 1 + ((client * 7) % 40), `node-${client}`, 20));
            got += lease.granted;
            if (lease.exhausted) return got;
          }
        });
        const total = (await Promise.all(clients)).reduce((sum, got) => sum + got, 0);
        expect(total).toBe(limit);
      });

      test(`what is returned to a ${kind} can be granted again, once`, async () => {
        const subject = await make(10);
        let spent = 0;
        let last = await fixture.authority.grant(demand(subject, 10));
        const first = last;
        while (!last.exhausted) {
          spent += last.granted;
          last = await fixture.authority.grant(demand(subject, 10));
        }
        expect(spent).toBe(10);
        expect(await fixture.authority.giveBack(realm, 'node-a', first.leaseId, first.granted)).toBe(true);
        expect(await fixture.authority.giveBack(realm, 'node-a', first.leaseId, first.granted)).toBe(false);
        let again = 0;
        for (
          let lease = await fixture.authority.grant(demand(subject, 10));
          !lease.exhausted;
          lease = await fixture.authority.grant(demand(subject, 10))
        ) {
          again += lease.granted;
        }
        expect(again).toBe(first.granted);
      });

      test(`only the holder returns a lease of a ${kind}, and never more than it got`, async () => {
        const subject = await make(100);
        const lease = await fixture.authority.grant(demand(subject, 5));
        expect(await fixture.authority.giveBack(realm, 'node-b', lease.leaseId, 1)).toBe(false);
        expect(await fixture.authority.giveBack(realm, 'node-a', 'made-up', 1)).toBe(false);
        expect(await fixture.authority.giveBack(realm, 'node-a', lease.leaseId, lease.granted + 1)).toBe(false);
        expect((await fixture.authority.grant(demand(subject, 1))).left).toBe(100 - lease.granted - 1);
      });

      test(`a lowered ${kind} is respected by the next grant, a raised one too`, async () => {
        const subject = await make(100);
        const first = await fixture.authority.grant(demand(subject, 40));
        const id = subject.kind === 'quota' ? subject.credential : Number(subject.kid.slice(-6));
        const change = (limit: number) => (subject.kind === 'quota' ? fixture.setQuota(id, limit) : fixture.setBudget(id, limit));
        await change(first.granted - 1);
        expect(await fixture.authority.grant(demand(subject, 1))).toMatchObject({ granted: 0, exhausted: true, left: 0 });
        await change(first.granted + 2);
        expect(await fixture.authority.grant(demand(subject, 5))).toMatchObject({ granted: 1, exhausted: false, left: 1 });
      });
    }

    test('leases shrink as the limit nears, so that other nodes find tokens too', async () => {
      const subject = await fixture.setQuota(++serial, 1_000);
      const sizes: number[] = [];
      for (let i = 0; i < 6; i++) sizes.push((await fixture.authority.grant(demand(subject, 1_000, 'node-a', 4))).granted);
      expect(sizes[0]).toBeLessThanOrEqual(125);
      expect([...sizes].sort((a, b) => b - a)).toEqual(sizes);
    });

    test('a subject without a limit has nothing to hand out', async () => {
      expect(await fixture.authority.grant(demand({ kind: 'budget', kid: 'nobodynobody' }, 1))).toMatchObject({
        granted: 0,
        exhausted: true,
      });
    });

    test('a restarted process has forgotten its leases: their tokens are lost, not minted', async () => {
      if (fixture.restarted === null) return;
      const subject = await fixture.setQuota(++serial, 100);
      const lease = await fixture.authority.grant(demand(subject, 20));
      const next = fixture.restarted();
      expect(await next.giveBack(realm, 'node-a', lease.leaseId, lease.granted)).toBe(false);
      expect((await next.grant(demand(subject, 1))).left).toBe(100 - lease.granted - 1);
    });
  });
}
