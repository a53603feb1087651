import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTestDatabase, testEngines } from '../suites/engines.ts';
import { sampleCodec } from '../suites/sample-codec.ts';
import { type Database, openDatabase } from './database.ts';
import { Prisma } from './generated/client.ts';

for (const engine of testEngines(process.env)) {
  describe(`a database on ${engine.name}`, () => {
    let opened: Awaited<ReturnType<typeof openTestDatabase>>;
    let db: Database;
    beforeAll(async () => {
      opened = await openTestDatabase(engine);
      db = opened.db;
    }, 60_000);
    afterAll(async () => {
      await opened.close();
      await engine.stop();
    });

    test('the migrations make every column of every model', async () => {
      const models = Object.keys(Prisma.ModelName) as (keyof typeof Prisma.ModelName)[];
      for (const model of models) {
        const name = `${model[0]?.toLowerCase()}${model.slice(1)}` as 'realm';
        await expect(db.prisma[name].findMany({ take: 1 })).resolves.toEqual([]);
      }
      expect(models.length).toBeGreaterThan(14);
    });

    test('the audit trail cannot be changed, deleted or truncated', async () => {
      await db.prisma.auditEvent.create({
        data: { realm: 'r', actor: 'a', role: 'admin', action: 'x', target: 't', outcome: 'ok', requestId: 'q' },
      });
      for (const sql of ["UPDATE audit_event SET actor = 'b'", 'DELETE FROM audit_event', 'TRUNCATE audit_event']) {
        await expect(db.prisma.$executeRawUnsafe(sql)).rejects.toThrow(/append-only/);
      }
      expect(await db.prisma.auditEvent.count()).toBe(1);
    });

    test('a second opening applies nothing and finds the same rows', async () => {
      const before = await db.prisma.$queryRaw<{ n: bigint }[]>`SELECT count(*) AS n FROM _prisma_migrations`;
      if (engine.name === 'pglite') {
        await expect(openDatabase({ url: opened.url, codec: sampleCodec, clock: Date.now })).rejects.toThrow(
          /is open in process/,
        );
        return;
      }
      const second = await openDatabase({ url: opened.url, codec: sampleCodec, clock: Date.now });
      expect(await second.prisma.$queryRaw`SELECT count(*) AS n FROM _prisma_migrations`).toEqual(before);
      await second.close();
    });
  });
}
