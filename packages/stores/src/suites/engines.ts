import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import type { LeaseAuthority } from '../ports/lease-authority.ts';
import { type Database, openDatabase } from '../postgres/database.ts';
import { createPostgresServer, findPostgresBinaries, type PostgresServer } from './postgres-server.ts';
import { sampleCodec } from './sample-codec.ts';

/** One engine a suite runs on. `url` names an empty database; it can be opened again after `close`. */
export interface TestEngine {
  readonly name: 'pglite' | 'postgres';
  /** Makes an empty database. */
  create(): Promise<{ url: string; drop(): Promise<void> }>;
  /** Ends what `create` started. */
  stop(): Promise<void>;
}

/** PGlite always; a Postgres server by `FLUXGATE_TEST_POSTGRES_URL`, or one of our own where the binaries are found. */
export function testEngines(env: NodeJS.ProcessEnv): TestEngine[] {
  const engines: TestEngine[] = [pgliteEngine()];
  const given = env['FLUXGATE_TEST_POSTGRES_URL'];
  const binaries = findPostgresBinaries(env);
  if (given !== undefined && given !== '') engines.push(postgresEngine(async () => ({ url: given, owned: null })));
  else if (binaries !== null) {
    engines.push(
      postgresEngine(async () => {
        const owned = await createPostgresServer(binaries);
        return { url: owned.url, owned };
      }),
    );
  }
  if (engines.length === 1 && (env['FLUXGATE_TEST_REQUIRE'] ?? '').split(',').includes('postgres')) {
    throw new Error(
      'FLUXGATE_TEST_REQUIRE names postgres, but there is neither FLUXGATE_TEST_POSTGRES_URL nor a Postgres server here',
    );
  }
  return engines;
}

/** initdb in WASM takes seconds: it is done once a machine, later databases are copies. */
const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
const { version } = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8')) as { version: string };
const TEMPLATE = join(tmpdir(), `fluxgate-pglite-template-${version}-${process.getuid?.() ?? 0}`);

async function ensureTemplate(): Promise<void> {
  if (existsSync(TEMPLATE)) return;
  const home = mkdtempSync(join(tmpdir(), 'fluxgate-pglite-'));
  const db = await openDatabase({ url: `pglite:${join(home, 'db')}`, codec: sampleCodec, clock: Date.now });
  await db.prisma.$executeRawUnsafe('DROP SCHEMA public CASCADE');
  await db.prisma.$executeRawUnsafe('CREATE SCHEMA public');
  await db.close();
  try {
    renameSync(join(home, 'db'), TEMPLATE);
  } catch (error) {
    if (!existsSync(TEMPLATE)) throw error; // another test process was first
  }
  rmSync(home, { recursive: true, force: true });
}

function pgliteEngine(): TestEngine {
  return {
    name: 'pglite',
    async create() {
      await ensureTemplate();
      const home = mkdtempSync(join(tmpdir(), 'fluxgate-pglite-'));
      cpSync(TEMPLATE, join(home, 'db'), { recursive: true });
      return { url: `pglite:${join(home, 'db')}`, drop: async () => rmSync(home, { recursive: true, force: true }) };
    },
    stop: async () => undefined,
  };
}

function postgresEngine(connect: () => Promise<{ url: string; owned: PostgresServer | null }>): TestEngine {
  let started: ReturnType<typeof connect> | null = null;
  let serial = 0;
  const server = () => {
    started ??= connect();
    return started;
  };
  const run = async (url: string, sql: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  return {
    name: 'postgres',
    async create() {
      const { url } = await server();
      serial += 1;
      const name = `fluxgate_test_${process.pid}_${serial}`;
      await run(url, `CREATE DATABASE ${name}`);
      const own = new URL(url);
      own.pathname = `/${name}`;
      return { url: own.toString(), drop: () => run(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
    },
    async stop() {
      const running = started;
      started = null; // the next `create` starts another one
      if (running !== null) await (await running).owned?.stop();
    },
  };
}

/** An open, empty database for one test file. `again`: another lease authority over the same rows, as after a restart. */
export async function openTestDatabase(
  engine: TestEngine,
  clock: () => number = Date.now,
): Promise<{ db: Database; url: string; again: () => LeaseAuthority; close(): Promise<void> }> {
  const { url, drop } = await engine.create();
  const db = await openDatabase({ url, codec: sampleCodec, clock });
  return {
    db,
    url,
    again: () => db.freshLeases(),
    close: async () => {
      await db.close();
      await drop();
    },
  };
}
