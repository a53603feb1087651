import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTestDatabase, testEngines } from '../suites/engines.ts';
import { leaseAuthoritySuite } from '../suites/lease-authority.ts';
import { makeKey, makeRealm } from '../suites/rows.ts';

const NOON = Date.parse('2026-11-21T12:00:00Z');

for (const engine of testEngines(process.env)) {
  const quota = (limit: number) => ({ limit, window: 'day' as const, zone: 'UTC' });

  leaseAuthoritySuite(engine.name, async () => {
    const { db, again, close } = await openTestDatabase(engine, () => NOON);
    await makeRealm(db, 'leases');
    const known = new Set<string>();
    return {
      authority: db.leases,
      restarted: again,
      async setQuota(number, limit) {
        if (!known.has(`q${number}`))
          await makeKey(db, { realm: 'leases', number, kid: `quotak${String(number).padStart(6, '0')}`, quota: quota(limit) });
        else
          await db.prisma.credential.update({
            where: { realm_number: { realm: 'leases', number } },
            data: { quota: quota(limit) },
          });
        known.add(`q${number}`);
        return { kind: 'quota', credential: number, window: '2026-11-21' };
      },
      async setBudget(number, limit) {
        const kid = `budget${String(number).padStart(6, '0')}`;
        if (!known.has(kid)) await makeKey(db, { realm: 'leases', number: 10_000 + number, kid, budget: limit });
        else await db.prisma.keyVersion.update({ where: { kid }, data: { budgetLimit: limit } });
        known.add(kid);
        return { kind: 'budget', kid };
      },
      close: async () => {
        await close();
        await engine.stop();
      },
    };
  });

  describe(`quota windows on ${engine.name}`, () => {
    let opened: Awaited<ReturnType<typeof openTestDatabase>>;
    let nowMs = NOON;
    beforeAll(async () => {
      opened = await openTestDatabase(engine, () => nowMs);
      await makeRealm(opened.db, 'w');
      await makeKey(opened.db, { realm: 'w', number: 1, kid: 'windowkey001', quota: quota(10), budget: 3 });
    }, 60_000);
    afterAll(async () => {
      await opened.close();
      await engine.stop();
    });
    const ask = (window: string) =>
      opened.db.leases.grant({
        realm: 'w',
        holder: 'n',
        subject: { kind: 'quota', credential: 1, window },
        want: 1,
        activeNodes: 1,
      });

    test('a window is the one of the control plane’s clock: others get nothing and are told how long this one lasts', async () => {
      expect(await ask('2026-11-21')).toMatchObject({ granted: 1, limit: 10, left: 9, remainingMs: 12 * 3_600_000 });
      expect(await ask('2026-11-22')).toMatchObject({ granted: 0, exhausted: false, remainingMs: 12 * 3_600_000 });
    });

    test('around midnight a node whose clock is a little off is served from the window it means', async () => {
      nowMs = Date.parse('2026-11-21T23:59:58Z');
      expect(await ask('2026-11-22')).toMatchObject({ granted: 1, left: 9, remainingMs: 86_402_000 });
      nowMs = Date.parse('2026-11-22T00:00:02Z');
      expect(await ask('2026-11-21')).toMatchObject({ granted: 1, left: 8, remainingMs: 3_000 });
      nowMs = NOON;
    });

    test('an ended credential, an ended version and another realm get nothing', async () => {
      const budget = (realm: string) =>
        opened.db.leases.grant({ realm, holder: 'n', subject: { kind: 'budget', kid: 'windowkey001' }, want: 1, activeNodes: 1 });
      expect(await budget('other')).toMatchObject({ granted: 0, exhausted: true });
      expect(await budget('w')).toMatchObject({ granted: 1, left: 2 });
      await opened.db.prisma.keyVersion.update({ where: { kid: 'windowkey001' }, data: { state: 'revoked' } });
      expect(await budget('w')).toMatchObject({ granted: 0, exhausted: true });
      await opened.db.prisma.credential.update({
        where: { realm_number: { realm: 'w', number: 1 } },
        data: { state: 'revoked' },
      });
      expect(await ask('2026-11-21')).toMatchObject({ granted: 0, exhausted: true });
    });

    test('the tables themselves refuse a debit beyond the limit', async () => {
      await expect(
        opened.db.prisma.$executeRawUnsafe(`UPDATE quota_window SET allotted = limit_total + 1 WHERE realm = 'w'`),
      ).rejects.toThrow(/beyond the limit/);
      await expect(
        opened.db.prisma.$executeRawUnsafe(`UPDATE key_version SET budget_allotted = budget_limit + 1 WHERE realm = 'w'`),
      ).rejects.toThrow(/beyond the limit/);
    });

    test('a usage report is counted once, and only for keys of its realm', async () => {
      const entry = {
        kid: 'windowkey001',
        day: '2026-11-21',
        allowed: 5,
        refused: 1,
        lastUsedS: 1_795_000_000,
        lastAddress: '10.0.0.1',
        lastUserAgent: 'curl',
      };
      const older = { ...entry, day: '2026-11-20', allowed: 2, refused: 0, lastUsedS: 1_794_000_000, lastAddress: '10.0.0.2' };
      const foreign = { ...entry, kid: 'nobodynobody' };
      const { usage, prisma } = opened.db;
      expect(await usage.report('w', 'w/n/boot1', 1, [entry, older, foreign])).toBe(true);
      expect(await usage.report('w', 'w/n/boot1', 1, [entry])).toBe(false);
      expect(await usage.report('other', 'other/n/boot1', 1, [entry])).toBe(true);
      expect(await usage.report('w', 'w/n/boot1', 2, [entry])).toBe(true);
      const days = await prisma.usageDay.findMany({ orderBy: { day: 'asc' } });
      expect(days.map(({ kid, day, allowed, refused }) => [kid, day, Number(allowed), Number(refused)])).toEqual([
        ['windowkey001', '2026-11-20', 2, 0],
        ['windowkey001', '2026-11-21', 10, 2],
      ]);
      const version = await prisma.keyVersion.findUniqueOrThrow({ where: { kid: 'windowkey001' } });
      expect(version).toMatchObject({ lastAddress: '10.0.0.1', lastUsedAt: new Date(1_795_000_000_000) });
    });
  });
}
