import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { CannotOpen } from '../ports/faults.ts';
import { testEngines } from '../suites/engines.ts';
import { sampleCodec } from '../suites/sample-codec.ts';
import { openDatabase } from './database.ts';
import { MIGRATIONS } from './generated/migrations.ts';

const open = (url: string) => openDatabase({ url, codec: sampleCodec, clock: Date.now });

test('the embedded migrations are the files of prisma/migrations, under the checksum Prisma gives them', () => {
  const directory = join(import.meta.dirname, '../../../../prisma/migrations');
  const names = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(MIGRATIONS.map(({ name }) => name)).toEqual(names.map(({ name }) => name).sort());
  for (const { name, sql, checksum } of MIGRATIONS) {
    expect(sql).toBe(readFileSync(join(directory, name, 'migration.sql'), 'utf8'));
    expect(checksum).toMatch(/^[0-9a-f]{64}$/);
  }
});

for (const engine of testEngines(process.env)) {
  describe(`migrations on ${engine.name}`, () => {
    afterAll(() => engine.stop());

    // PGlite: one process at a time, see below.
    const onServer = engine.name === 'postgres' ? test : () => undefined;
    onServer(
      'several control planes that start at once apply each migration once',
      async () => {
        const { url, drop } = await engine.create();
        const opened = await Promise.all(Array.from({ length: 4 }, () => open(url)));
        const [first] = opened;
        if (first === undefined) throw new Error('four were opened');
        const rows = await first.prisma.$queryRaw<{ n: bigint }[]>`
        SELECT count(*) AS n FROM _prisma_migrations WHERE finished_at IS NOT NULL`;
        expect(Number(rows[0]?.n)).toBe(MIGRATIONS.length);
        await Promise.all(opened.map((db) => db.close()));
        await drop();
      },
      60_000,
    );

    test.each([
      [
        'made by a newer version',
        `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name) VALUES ('x', 'c', now(), '9999_future')`,
        /newer FluxGate/,
      ],
      ['with a changed migration', `UPDATE _prisma_migrations SET checksum = 'other'`, /other content/],
      ['left half-migrated by another tool', 'UPDATE _prisma_migrations SET finished_at = NULL', /never finished/],
    ])(
      'a database %s is refused with a remedy',
      async (_, sql, remedy) => {
        const { url, drop } = await engine.create();
        const db = await open(url);
        await db.prisma.$executeRawUnsafe(sql);
        await db.close();
        await expect(open(url)).rejects.toThrow(CannotOpen);
        await expect(open(url)).rejects.toThrow(remedy);
        await drop();
      },
      60_000,
    );
  });
}

describe('a PGlite directory', () => {
  const [pglite] = testEngines({});
  if (pglite === undefined) throw new Error('PGlite is always there');

  test('is open in one process at a time, and free again after close and after a crash', async () => {
    const { url, drop } = await pglite.create();
    const path = url.slice('pglite:'.length);
    const first = await open(url);
    await expect(open(url)).rejects.toThrow(new RegExp(`open in process ${process.pid}: stop that process`));
    await first.close();
    const { spawn } = await import('node:child_process');
    const { writeFileSync } = await import('node:fs');
    // A process that is gone: its lock is taken over.
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.once('exit', resolve));
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: child.pid, startedTicks: '1' }));
    const second = await open(url);
    await second.close();
    // The pid lives again as somebody else.
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.pid, startedTicks: '1' }));
    const third = await open(url);
    await third.close();
    rmSync(`${path}.lock`, { force: true });
    await drop();
  }, 60_000);

  test('flushes to the disk at commit', async () => {
    const { url, drop } = await pglite.create();
    const db = await open(url);
    const rows = await db.prisma.$queryRaw<{ name: string; setting: string }[]>`
      SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'TimeZone', 'wal_sync_method') ORDER BY name`;
    expect(rows).toEqual([
      { name: 'TimeZone', setting: 'UTC' },
      { name: 'fsync', setting: 'on' },
      { name: 'full_page_writes', setting: 'on' },
      { name: 'synchronous_commit', setting: 'on' },
      { name: 'wal_sync_method', setting: 'fsync' },
    ]);
    await db.close();
    await drop();
  }, 60_000);
});
