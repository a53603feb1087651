import { randomUUID } from 'node:crypto';
import { CannotOpen } from '../ports/faults.ts';
import type { Engine } from './engine.ts';
import { MIGRATIONS } from './generated/migrations.ts';

/** Prisma's own ledger, so that `prisma migrate deploy` and `prisma migrate status` agree with what was done here. */
const LEDGER = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`;

interface Recorded {
  readonly name: string;
  readonly checksum: string;
  readonly finished: boolean;
}

/**
 * Brings the tables to what this program was built with; several replicas may call it at once. Each migration and its ledger row
 * are one transaction. Refuses (`CannotOpen`) a database that is newer, changed, or left half-migrated by another tool.
 * Answers the names it applied.
 */
export async function migrate(engine: Engine): Promise<readonly string[]> {
  return engine.migrating(async ({ sql, run }) => {
    await run(LEDGER);
    const recorded = await sql.query<Recorded>(
      `SELECT "migration_name" AS name, "checksum" AS checksum, "finished_at" IS NOT NULL AS finished
         FROM "_prisma_migrations" WHERE "rolled_back_at" IS NULL ORDER BY "started_at"`,
    );
    for (const row of recorded) judge(row);
    const applied: string[] = [];
    for (const migration of MIGRATIONS) {
      if (recorded.some((row) => row.name === migration.name)) continue;
      await run('BEGIN');
      try {
        await run(migration.sql);
        await sql.query(
          `INSERT INTO "_prisma_migrations" ("id", "checksum", "finished_at", "migration_name", "applied_steps_count")
           VALUES ($1, $2, now(), $3, 1)`,
          [randomUUID(), migration.checksum, migration.name],
        );
        await run('COMMIT');
      } catch (error) {
        await run('ROLLBACK').catch(() => undefined); // the connection may be gone; then the server rolls back
        throw error;
      }
      applied.push(migration.name);
    }
    return applied;
  });
}

function judge(row: Recorded): void {
  const known = MIGRATIONS.find((migration) => migration.name === row.name);
  if (known === undefined) {
    throw new CannotOpen(
      `the database holds migration ${row.name}, which this version does not know: it was made by a newer FluxGate. Run that version, or restore a backup.`,
    );
  }
  if (!row.finished) {
    throw new CannotOpen(
      `migration ${row.name} was started by another tool and never finished: repair it with \`prisma migrate resolve\`, then start again.`,
    );
  }
  if (row.checksum !== known.checksum) {
    throw new CannotOpen(
      `migration ${row.name} was applied with other content than this version carries: the tables cannot be trusted. Restore a backup.`,
    );
  }
}
