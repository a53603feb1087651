import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { DatabaseUnavailable } from '../ports/faults.ts';
import { testEngines } from '../suites/engines.ts';
import { createPostgresServer, findPostgresBinaries } from '../suites/postgres-server.ts';
import { checkLog } from '../suites/revision-log.ts';
import { makeKey, makeRealm, tester } from '../suites/rows.ts';
import { sampleCodec } from '../suites/sample-codec.ts';
import { type Database, openDatabase } from './database.ts';

const LIMIT = 2_000;
const ROUNDS = 4;

async function prepare(db: Database): Promise<void> {
  await makeRealm(db, 'crash');
  await makeKey(db, { realm: 'crash', number: 1, kid: 'crashkey0001', budget: LIMIT });
}

/** Everything that was acknowledged is there, nothing is torn, nothing was granted twice. */
async function judge(db: Database, acknowledged: { revision: number; granted: number }): Promise<void> {
  const head = await checkLog(db, 'crash');
  expect(head).toBeGreaterThanOrEqual(acknowledged.revision);
  expect(await db.prisma.auditEvent.count({ where: { realm: 'crash' } })).toBe(head);
  const { budgetAllotted } = await db.prisma.keyVersion.findUniqueOrThrow({ where: { kid: 'crashkey0001' } });
  expect(acknowledged.granted).toBeLessThanOrEqual(Number(budgetAllotted));
  expect(Number(budgetAllotted)).toBeLessThanOrEqual(LIMIT);
  const snapshot = await db.snapshot('crash');
  const digest = snapshot.records.reduce<Uint8Array>(
    (sum, { kind, id, payload }) => sampleCodec.add(sum, sampleCodec.hash(kind, id, payload ?? new Uint8Array())),
    new Uint8Array(32),
  );
  expect(Buffer.from(digest)).toEqual(Buffer.from(snapshot.stateDigest));
}

/** Runs the writer and kills it `afterMs` after its first revision; adds what it said to `sum`. */
async function writeAndDie(url: string, afterMs: number, sum: { revision: number; granted: number }): Promise<void> {
  const script = join(import.meta.dirname, '../suites/crash-writer.ts');
  const child: ChildProcess = spawn(process.execPath, [script, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const writing = new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (/^revision /m.test(text)) resolve();
    });
    child.once('exit', () => reject(new Error('the writer wrote nothing')));
  });
  await writing;
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  // The last line may be cut: then it was not said.
  for (const line of text.split('\n').slice(0, -1)) {
    const [what, number] = line.split(' ');
    if (what === 'revision') sum.revision = Math.max(sum.revision, Number(number));
    if (what === 'granted') sum.granted += Number(number);
  }
}

for (const engine of testEngines(process.env)) {
  describe(`a crash on ${engine.name}`, () => {
    afterAll(() => engine.stop());

    test('of the process that writes, at any moment, loses nothing it acknowledged and leaves dense revisions', async () => {
      const { url, drop } = await engine.create();
      const first = await openDatabase({ url, codec: sampleCodec, clock: Date.now });
      await prepare(first);
      await first.close();
      const sum = { revision: 0, granted: 0 };
      for (let round = 0; round < ROUNDS; round++) {
        await writeAndDie(url, 3 + round * 29, sum);
        const db = await openDatabase({ url, codec: sampleCodec, clock: Date.now });
        await judge(db, sum);
        await db.close();
      }
      expect(sum.revision).toBeGreaterThan(ROUNDS);
      expect(sum.granted).toBeGreaterThan(0);
      await drop();
    }, 120_000);
  });
}

const binaries = findPostgresBinaries(process.env);
if (binaries !== null) {
  test('a crash of the Postgres server (kill -9) loses nothing acknowledged; writes fail as outages and go on afterwards', async () => {
    const server = await createPostgresServer(binaries);
    const db = await openDatabase({ url: server.url, codec: sampleCodec, clock: Date.now });
    await prepare(db);
    const sum = { revision: 0, granted: 0 };
    let stopped = false;
    let outages = 0;
    const until = async (step: () => Promise<void>) => {
      while (!stopped) {
        await step().catch(async (error: unknown) => {
          expect(error).toBeInstanceOf(DatabaseUnavailable);
          outages += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
        });
      }
    };
    const write = async () => {
      const { revision } = await db.write('crash', tester, async () => ({
        value: null,
        records: [{ op: 'put', kind: 4, id: 'x', payload: Buffer.from(String(Math.max(sum.revision, 0))) }],
        summary: [],
        audit: [{ action: 'crash', target: 'x' }],
      }));
      sum.revision = Math.max(sum.revision, revision ?? 0);
    };
    const spend = async () => {
      const subject = { kind: 'budget' as const, kid: 'crashkey0001' };
      sum.granted += (await db.leases.grant({ realm: 'crash', holder: 'h', subject, want: 2, activeNodes: 1 })).granted;
    };
    const running = Promise.all([until(write), until(write), until(write), until(spend), until(spend)]);
    for (let round = 0; round < 3; round++) {
      await new Promise((resolve) => setTimeout(resolve, 150 + round * 60));
      const before = sum.revision;
      await server.kill();
      await server.start();
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(sum.revision).toBeGreaterThan(before);
    }
    stopped = true;
    await running;
    expect(outages).toBeGreaterThan(0);
    await judge(db, sum);
    await db.close();
    await server.stop();
  }, 120_000);
}
