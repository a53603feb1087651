import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DatabaseUnavailable, RuleBroken, UniqueConflict } from '../ports/faults.ts';
import { openTestDatabase, testEngines } from '../suites/engines.ts';
import { makeKey, makeRealm, tester } from '../suites/rows.ts';
import { sampleCodec } from '../suites/sample-codec.ts';
import type { Tx } from './client.ts';
import { type Database, openDatabase } from './database.ts';
import { lockCredential } from './write.ts';

const HOUR_MS = 3_600_000;
const T0 = Date.parse('2026-11-21T12:00:00Z');

for (const engine of testEngines(process.env)) {
  describe(`the rules of the tables on ${engine.name}`, () => {
    let opened: Awaited<ReturnType<typeof openTestDatabase>>;
    let db: Database;
    let serial = 0;
    beforeAll(async () => {
      opened = await openTestDatabase(engine);
      db = opened.db;
      await makeRealm(db, 'r');
    }, 60_000);
    afterAll(async () => {
      await opened.close();
      await engine.stop();
    });
    const inTx = (fn: (tx: Tx) => Promise<unknown>) =>
      db.write('r', tester, async (tx) => {
        await fn(tx);
        return { value: null, records: [], summary: [], audit: [] };
      });
    const credential = async () => {
      serial += 1;
      await makeKey(db, { realm: 'r', number: serial, kid: `rulekey${String(serial).padStart(5, '0')}` });
      const id = `key_r_${serial}`;
      await db.prisma.keyVersion.updateMany({ where: { credentialId: id }, data: { createdAt: new Date(T0 - HOUR_MS) } });
      return id;
    };
    const version = (credentialId: string, number: number, atMs: number) => ({
      kid: `${credentialId}v${number}`.slice(-12).padStart(12, '0'),
      realm: 'r',
      credentialId,
      number,
      digest: new Uint8Array(16),
      pepperVersion: 1,
      lastFour: 'aaaa',
      state: 'active',
      createdAt: new Date(atMs),
    });

    test('a third live version is refused at commit, whatever order the statements had', async () => {
      const id = await credential();
      await inTx((tx) => tx.keyVersion.create({ data: version(id, 2, T0) }));
      await expect(inTx((tx) => tx.keyVersion.create({ data: version(id, 3, T0 + 1) }))).rejects.toThrow(RuleBroken);
      expect(await db.prisma.keyVersion.count({ where: { credentialId: id } })).toBe(2);
      await inTx(async (tx) => {
        await tx.keyVersion.create({ data: version(id, 3, T0 + 1) });
        await tx.keyVersion.updateMany({ where: { credentialId: id, number: 1 }, data: { state: 'revoked' } });
      });
      expect(await db.prisma.keyVersion.count({ where: { credentialId: id } })).toBe(3);
      await expect(
        inTx((tx) => tx.keyVersion.updateMany({ where: { credentialId: id }, data: { state: 'active' } })),
      ).rejects.toThrow(RuleBroken);
    });

    test('a version whose deadline passed before the newest was born does not count, though nobody marked it', async () => {
      const id = await credential();
      await db.prisma.keyVersion.updateMany({ where: { credentialId: id }, data: { state: 'retiring', notAfter: new Date(T0) } });
      await inTx((tx) => tx.keyVersion.create({ data: version(id, 2, T0) }));
      await inTx((tx) => tx.keyVersion.create({ data: version(id, 3, T0) }));
      await expect(inTx((tx) => tx.keyVersion.create({ data: version(id, 4, T0) }))).rejects.toThrow(/at most two live versions/);
    });

    test('two rotations at once cannot both add a version', async () => {
      const id = await credential();
      const rotate = (number: number) => inTx((tx) => tx.keyVersion.create({ data: version(id, number, T0) }));
      const done = await Promise.allSettled([rotate(2), rotate(3), rotate(4)]);
      expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await db.prisma.keyVersion.count({ where: { credentialId: id } })).toBe(2);
    });

    test('a locked credential makes the next rotation wait for the first', async () => {
      const id = await credential();
      const seen: number[] = [];
      const rotate = () =>
        inTx(async (tx) => {
          await lockCredential(tx, id);
          seen.push(await tx.keyVersion.count({ where: { credentialId: id, state: 'active' } }));
          await tx.keyVersion.updateMany({ where: { credentialId: id }, data: { state: 'revoked' } });
          await tx.keyVersion.create({
            data: { ...version(id, 10 + seen.length, T0), kid: `lock${id.slice(-3)}${seen.length}`.padEnd(12, 'x') },
          });
        });
      await Promise.all([rotate(), rotate(), rotate()]);
      expect(seen).toEqual([1, 1, 1]);
    });

    test('a name that is taken is a typed conflict', async () => {
      await credential();
      const taken = { id: 'other', realm: 'r', number: 99_999, name: `key-${serial}`, grantNumber: 1 };
      const failed = await inTx((tx) => tx.credential.create({ data: taken })).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(UniqueConflict);
      const { constraint, columns } = failed as UniqueConflict;
      expect(constraint === 'credential_realm_name_key' || columns.join() === 'realm,name').toBe(true);
    });

    test('the revision log cannot be rewritten', async () => {
      await db.write('r', tester, async () => ({
        value: null,
        records: [{ op: 'put', kind: 1, id: '', payload: new Uint8Array(1) }],
        summary: [],
        audit: [],
      }));
      await expect(db.prisma.$executeRawUnsafe('UPDATE revision SET urgent = true')).rejects.toThrow(/append-only/);
    });

    // PGlite runs one transaction at a time: nobody waits for a lock there.
    const onServer = engine.name === 'postgres' ? test : () => undefined;
    onServer(
      'deadlocked writes are run again and both succeed',
      async () => {
        const [a, b] = [await credential(), await credential()];
        let runs = 0;
        const crossing = (first: string, second: string) =>
          inTx(async (tx) => {
            runs += 1;
            await lockCredential(tx, first);
            await new Promise((resolve) => setTimeout(resolve, 100));
            await lockCredential(tx, second);
          });
        await Promise.all([crossing(a, b), crossing(b, a)]);
        expect(runs).toBeGreaterThan(2);
      },
      20_000,
    );

    onServer(
      'a lock held by somebody else is waited for briefly, then the database is unavailable, not a hang',
      async () => {
        const id = await credential();
        let release: () => void = () => undefined;
        const held = new Promise<void>((resolve) => {
          release = resolve;
        });
        let locked: () => void = () => undefined;
        const isLocked = new Promise<void>((resolve) => {
          locked = resolve;
        });
        const holder = inTx(async (tx) => {
          await lockCredential(tx, id);
          locked();
          await held;
        }).catch((error: unknown) => error);
        await isLocked;
        // Three waits of 2 s; after 5 s the server ends the idle holder, so the last wait may succeed.
        const waited = await inTx((tx) => lockCredential(tx, id)).catch((error: unknown) => error);
        expect(waited instanceof Error ? waited.constructor : 'got it').toBe(
          waited instanceof Error ? DatabaseUnavailable : 'got it',
        );
        release();
        expect(await holder).toBeInstanceOf(DatabaseUnavailable);
      },
      30_000,
    );
  });
}

test('a server that is not there is an outage with a reason, without the password in it', async () => {
  const failed = await openDatabase({ url: 'postgres://u:hunter2@127.0.0.1:1/db', codec: sampleCodec, clock: Date.now }).catch(
    (error: unknown) => error,
  );
  expect(failed).toBeInstanceOf(DatabaseUnavailable);
  expect((failed as Error).message).not.toContain('hunter2');
  expect((failed as DatabaseUnavailable).outcome).toBe('not_done');
});
