import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { CannotOpen } from '../ports/faults.ts';
import type { Engine, Sql, SqlValue } from './engine.ts';

/** The same number as Prisma's: `prisma migrate deploy` and a starting control plane exclude each other. */
const MIGRATION_LOCK = 72707369;

const SESSION = {
  // Prisma reads timestamptz as if the session were in UTC.
  timezone: 'UTC',
  lock_timeout: '2s',
  idle_in_transaction_session_timeout: '5s',
  statement_timeout: '30s',
};

function sqlOver(client: pg.Pool | pg.PoolClient | pg.Client): Sql {
  return {
    async query<Row extends object>(text: string, params: readonly SqlValue[] = []) {
      const result = await client.query<Row & pg.QueryResultRow>(text, [...params]);
      return result.rows;
    },
  };
}

/** Settings as a startup option, so that no statement can run before them; options of the URL are kept. */
function withSession(url: string, session: Record<string, string>): string {
  const parsed = new URL(url);
  const own = Object.entries(session).map(([name, value]) => `-c ${name}=${value}`);
  const given = parsed.searchParams.get('options');
  parsed.searchParams.set('options', [...own, ...(given === null ? [] : [given])].join(' '));
  return parsed.toString();
}

export interface PostgresOptions {
  readonly url: string;
  readonly connectionsMax: number;
  /** Connections break when a server restarts; told here, the pool replaces them. */
  readonly onConnectionLost: (why: string) => void;
}

/** Connects lazily: the first statement finds out whether the server is there. */
export function createPostgresEngine(options: PostgresOptions): Engine {
  let url: string;
  try {
    url = withSession(options.url, SESSION);
  } catch {
    throw new CannotOpen('DATABASE_URL is not a URL: expected postgres://user:password@host:5432/database or pglite:DIRECTORY');
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connectionsMax,
    connectionTimeoutMillis: 3_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'fluxgate-control-plane',
  });
  pool.on('error', (error) => options.onConnectionLost(error.message));

  return {
    kind: 'postgres',
    sql: sqlOver(pool),
    adapter: new PrismaPg(pool, { onConnectionError: (error) => options.onConnectionLost(error.message) }),
    async readMoment(fn) {
      const client = await pool.connect();
      const onError = (error: Error) => options.onConnectionLost(error.message);
      client.on('error', onError);
      let broken: Error | undefined;
      try {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        const value = await fn(sqlOver(client));
        await client.query('COMMIT');
        return value;
      } catch (error) {
        broken = error instanceof Error ? error : new Error('read failed');
        throw error;
      } finally {
        client.off('error', onError);
        // A connection with a failed transaction is thrown away instead of being rolled back.
        client.release(broken);
      }
    },
    async migrating(fn) {
      const client = new pg.Client({ connectionString: withSession(options.url, { timezone: 'UTC', lock_timeout: '60s' }) });
      client.on('error', (error) => options.onConnectionLost(error.message));
      await client.connect();
      try {
        await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
        return await fn({
          sql: sqlOver(client),
          run: async (script) => {
            await client.query(script);
          },
        });
      } finally {
        // Ending the session frees the lock.
        await client.end();
      }
    },
    close: () => pool.end(),
  };
}
