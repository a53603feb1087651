import type { LeaseAuthority } from '../ports/lease-authority.ts';
import type { RevisionLog } from '../ports/revision-log.ts';
import type { StateCodec } from '../ports/state-codec.ts';
import type { UsageLedger } from '../ports/usage-ledger.ts';
import { classified } from './classify.ts';
import { type Client, createClient, type Tx } from './client.ts';
import type { Engine } from './engine.ts';
import { openPgliteEngine } from './engine-pglite.ts';
import { createPostgresEngine } from './engine-postgres.ts';
import { createLeaseAuthority } from './leases.ts';
import { createRevisionLog } from './log.ts';
import { migrate } from './migrate.ts';
import { createNodeTable, type NodeTable } from './nodes.ts';
import { createTidy } from './tidy.ts';
import { createUsageLedger } from './usage.ts';
import { type Actor, createWriter, type WriteOptions, type WriteResult, type Written } from './write.ts';

export interface DatabaseOptions {
  /** `postgres://…` or `pglite:DIRECTORY`. */
  readonly url: string;
  readonly codec: StateCodec;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Connections to a Postgres server; 10 unless set. PGlite has one. */
  readonly connectionsMax?: number;
  /** Told when a pooled connection breaks; it is replaced without further ado. */
  readonly onConnectionLost?: (why: string) => void;
}

export interface Database extends RevisionLog {
  readonly engine: 'postgres' | 'pglite';
  /**
   * The typed client, for reads. Inside `write` use the given `tx`: on PGlite, which has one connection, a read through `prisma`
   * would wait for the transaction that waits for it. Its errors are Prisma's: see `classifyDatabaseError`.
   */
  readonly prisma: Client;
  /**
   * One transaction: `fn` writes rows through `tx` and answers what the nodes must learn; the realm's head moves last, so revisions are
   * dense and in commit order. `fn` may run again after a deadlock: it must do nothing but use `tx`.
   * Errors: `DatabaseUnavailable`, `UniqueConflict`, `RuleBroken`, `RealmUnknown`, and whatever `fn` throws; all leave nothing behind.
   */
  write<T>(realm: string, actor: Actor, fn: (tx: Tx) => Promise<WriteResult<T>>, options?: WriteOptions): Promise<Written<T>>;
  readonly leases: LeaseAuthority;
  /** An authority that remembers no lease, as after a restart. */
  freshLeases(): LeaseAuthority;
  readonly usage: UsageLedger;
  /** The hub's table of nodes. */
  readonly nodes: NodeTable;
  /** Removes what nobody asks for any more; run it every hour or so. */
  tidy(nowMs: number): Promise<void>;
  /** Resolves if the database answers now; else throws `DatabaseUnavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the database and brings its tables up to date. Errors: `CannotOpen` (with a remedy), `DatabaseUnavailable`. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const engine = await openEngine(options);
  try {
    await classified(() => migrate(engine));
  } catch (error) {
    await engine.close();
    throw error;
  }
  // A transaction waits for a connection (PGlite: for its turn), then has time for a bulk import.
  const prisma = createClient(engine.adapter, { maxWaitMs: 5_000, timeoutMs: 15_000 });
  const log = createRevisionLog(engine);
  return {
    engine: engine.kind,
    prisma,
    ...log,
    write: createWriter(prisma, options.codec, (ms) => new Promise((resolve) => setTimeout(resolve, ms))),
    leases: createLeaseAuthority(engine, options.clock),
    freshLeases: () => createLeaseAuthority(engine, options.clock),
    usage: createUsageLedger(engine),
    nodes: createNodeTable(engine),
    tidy: createTidy(engine),
    ping: () => classified(async () => void (await engine.sql.query('SELECT 1 AS one'))),
    async close() {
      await prisma.$disconnect();
      await engine.close();
    },
  };
}

async function openEngine(options: DatabaseOptions): Promise<Engine> {
  if (options.url.startsWith('pglite:')) return openPgliteEngine(options.url.slice('pglite:'.length));
  return createPostgresEngine({
    url: options.url,
    connectionsMax: options.connectionsMax ?? 10,
    onConnectionLost: options.onConnectionLost ?? (() => undefined),
  });
}
