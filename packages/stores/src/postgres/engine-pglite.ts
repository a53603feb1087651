import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PGlite, type PGliteInterface, type Transaction, types } from '@electric-sql/pglite';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { CannotOpen } from '../ports/faults.ts';
import type { SqlDriverAdapterFactory } from './client.ts';
import { lockDirectory } from './directory-lock.ts';
import { DurableNodeFS, durableStartParams } from './durable-node-fs.ts';
import type { Engine, Sql, SqlValue } from './engine.ts';

/** `\x…` to bytes by native code: PGlite's own parser goes digit by digit. */
const PARSERS = { [types.BYTEA]: (text: string) => Buffer.from(text.slice(2), 'hex') };

function sqlOver(client: PGliteInterface | Transaction): Sql {
  return {
    async query<Row extends object>(text: string, params: readonly SqlValue[] = []) {
      const result = await client.query<Row>(text, [...params], { parsers: PARSERS });
      return result.rows;
    },
  };
}

async function start(directory: string): Promise<PGlite> {
  const pglite = new PGlite({ fs: new DurableNodeFS(directory), startParams: durableStartParams() });
  await pglite.waitReady;
  return pglite;
}

/** initdb writes hundreds of files; a process killed in the middle must not leave half a database under the real name. */
async function ensureInitialised(directory: string): Promise<void> {
  if (existsSync(join(directory, 'PG_VERSION'))) return;
  const draft = `${directory}.new`;
  rmSync(draft, { recursive: true, force: true });
  const pglite = await start(draft);
  await pglite.close();
  // Fails if something else is in `directory`, as it should.
  renameSync(draft, directory);
}

/**
 * The published adapter answers a failed COMMIT as if it had worked. Here the transaction's own promise is asked again,
 * so that no write is acknowledged that was rolled back.
 */
function honestAdapter(pglite: PGlite): SqlDriverAdapterFactory {
  const factory = new PrismaPGlite(pglite);
  const connect: SqlDriverAdapterFactory['connect'] = async () => {
    const adapter = await factory.connect();
    return Object.assign(adapter, {
      startTransaction: async (...args: Parameters<typeof adapter.startTransaction>) => {
        let outcome: Promise<unknown> = Promise.resolve();
        const watched = new Proxy(pglite, {
          get(target, property) {
            if (property === 'transaction') {
              return <T>(fn: (tx: Transaction) => Promise<T>) => {
                const running = target.transaction(fn);
                outcome = running;
                return running;
              };
            }
            const value: unknown = Reflect.get(target, property, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
        const inner = await (await new PrismaPGlite(watched).connect()).startTransaction(...args);
        const commit = inner.commit.bind(inner);
        return Object.assign(inner, {
          commit: async () => {
            await commit();
            await outcome;
          },
        });
      },
    });
  };
  return { provider: factory.provider, adapterName: factory.adapterName, connect };
}

/** Postgres inside this process, files in `directory`. One process at a time. */
export async function openPgliteEngine(directory: string): Promise<Engine> {
  if (directory === '') throw new CannotOpen('pglite: needs a directory, e.g. DATABASE_URL=pglite:.fluxgate/db');
  const path = resolve(directory);
  mkdirSync(dirname(path), { recursive: true });
  const lock = lockDirectory(`${path}.lock`, path);
  let pglite: PGlite;
  try {
    await ensureInitialised(path);
    pglite = await start(path);
  } catch (error) {
    lock.release();
    throw error;
  }
  return {
    kind: 'pglite',
    sql: sqlOver(pglite),
    adapter: honestAdapter(pglite),
    // PGlite runs one transaction at a time: any transaction sees one moment.
    readMoment: (fn) => pglite.transaction((tx) => fn(sqlOver(tx))),
    // The directory lock keeps other processes out.
    migrating: (fn) =>
      fn({
        sql: sqlOver(pglite),
        run: async (script) => {
          await pglite.exec(script);
        },
      }),
    async close() {
      try {
        await pglite.exec('CHECKPOINT');
        await pglite.close();
      } finally {
        lock.release();
      }
    },
  };
}
