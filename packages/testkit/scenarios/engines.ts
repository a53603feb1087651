import { createDatabase, postgresUrl } from '../src/postgres.ts';

export interface Engine {
  readonly name: string;
  open(): Promise<{ databaseUrl?: string; query?: (sql: string) => Promise<unknown[]>; drop(): Promise<void> }>;
}

const pglite: Engine = { name: 'PGlite', open: async () => ({ drop: async () => {} }) };
const postgres: Engine = {
  name: 'Postgres',
  async open() {
    const database = await createDatabase();
    return { databaseUrl: database.url, query: database.query, drop: database.drop };
  },
};

/** The embedded engine always; the real server where `npm test` has one (it says so where it has not). */
export const engines: readonly Engine[] = postgresUrl === null ? [pglite] : [pglite, postgres];
/** For what only a real server can show; the embedded engine stands in where there is none. */
export const strongest: Engine = engines[engines.length - 1] ?? pglite;
