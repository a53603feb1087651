import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** The real Postgres that `npm test` started or was given; null where there is none. */
export const postgresUrl: string | null = process.env['FLUXGATE_TEST_POSTGRES_URL'] ?? null;

/** A database of its own on that server. */
export async function createDatabase(): Promise<{
  url: string;
  query: (sql: string) => Promise<unknown[]>;
  drop: () => Promise<void>;
}> {
  if (postgresUrl === null) throw new Error('FLUXGATE_TEST_POSTGRES_URL is not set');
  const name = `fluxgate_${randomBytes(6).toString('hex')}`;
  const run = async (url: string, sql: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(sql)).rows as unknown[];
    } finally {
      await client.end();
    }
  };
  await run(postgresUrl, `CREATE DATABASE ${name}`);
  const own = new URL(postgresUrl);
  own.pathname = `/${name}`;
  return {
    url: own.toString(),
    query: (sql) => run(own.toString(), sql),
    drop: async () => void (await run(postgresUrl, `DROP DATABASE ${name} WITH (FORCE)`)),
  };
}
