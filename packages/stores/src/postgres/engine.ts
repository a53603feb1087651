import type { SqlDriverAdapterFactory } from './client.ts';

/** Plain SQL with `$1` parameters. Cast what engines read differently (int8, timestamptz) to text in the statement. */
export interface Sql {
  query<Row extends object>(text: string, params?: readonly SqlValue[]): Promise<Row[]>;
}
export type SqlValue = string | number | boolean | null | Uint8Array;

/** What differs between a Postgres server and the embedded PGlite. Everything above it is the same code. */
export interface Engine {
  readonly kind: 'postgres' | 'pglite';
  /** Autocommit statements on any connection. */
  readonly sql: Sql;
  readonly adapter: SqlDriverAdapterFactory;
  /** All statements of `fn` see the state of one moment. */
  readMoment<T>(fn: (sql: Sql) => Promise<T>): Promise<T>;
  /** One connection, alone among all processes that migrate; `run` executes many statements without parameters. */
  migrating<T>(fn: (session: { sql: Sql; run(script: string): Promise<void> }) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
