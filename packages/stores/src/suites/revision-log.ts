import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RealmUnknown } from '../ports/faults.ts';
import type { StateRecord } from '../ports/state-codec.ts';
import type { Database } from '../postgres/database.ts';
import { openTestDatabase, type TestEngine } from './engines.ts';
import { makeRealm, tester } from './rows.ts';
import { sampleCodec } from './sample-codec.ts';

const put = (kind: number, id: string, text: string): StateRecord => ({ op: 'put', kind, id, payload: Buffer.from(text) });
const gone = (kind: number, id: string): StateRecord => ({ op: 'delete', kind, id, payload: null });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** Replays a log as a node would: the state and digest after all revisions. */
export function replay(revisions: readonly (readonly StateRecord[])[]): { entities: Map<string, string>; digest: string } {
  const entities = new Map<string, string>();
  let digest: Uint8Array = new Uint8Array(32);
  const hashes = new Map<string, Uint8Array>();
  for (const record of revisions.flat()) {
    const key = `${record.kind}/${record.id}`;
    const old = hashes.get(key);
    if (old !== undefined) digest = sampleCodec.sub(digest, old);
    hashes.delete(key);
    entities.delete(key);
    if (record.payload === null) continue;
    const hash = sampleCodec.hash(record.kind, record.id, record.payload);
    digest = sampleCodec.add(digest, hash);
    hashes.set(key, hash);
    entities.set(key, hex(record.payload));
  }
  return { entities, digest: hex(digest) };
}

/** Dense from 1, each chained to the one before: throws where it is not. Answers the last chain. */
export async function checkLog(db: Database, realm: string): Promise<number> {
  const head = await db.head(realm);
  let chain: Uint8Array = new Uint8Array(32);
  let at = 0;
  while (at < head.revision) {
    const part = await db.revisionsAfter(realm, at, 50);
    if (part === 'gone') throw new Error(`gone after ${at}`);
    for (const entry of part) {
      expect(entry.revision).toBe(at + 1);
      chain = sampleCodec.chain(chain, entry.revision, entry.records);
      expect(hex(entry.chain)).toBe(hex(chain));
      at = entry.revision;
    }
  }
  expect(hex(head.chain)).toBe(hex(chain));
  return at;
}

const write = (db: Database, realm: string, records: readonly StateRecord[], urgent = false) =>
  db.write(realm, tester, async () => ({
    value: null,
    records,
    urgent,
    summary: [],
    audit: [{ action: 'test', target: realm }],
  }));

export function revisionLogSuite(engine: TestEngine): void {
  describe(`the revision log on ${engine.name}`, () => {
    let opened: Awaited<ReturnType<typeof openTestDatabase>>;
    let db: Database;
    beforeAll(async () => {
      opened = await openTestDatabase(engine);
      db = opened.db;
    }, 60_000);
    afterAll(async () => {
      await opened.close();
      await engine.stop();
    });

    test('a write with records makes the next revision, one without makes none; both are audited', async () => {
      await makeRealm(db, 'first');
      expect(await write(db, 'first', [put(1, '', 'a')], true)).toEqual({ value: null, revision: 1 });
      expect(await write(db, 'first', [])).toEqual({ value: null, revision: null });
      expect(await write(db, 'first', [gone(1, '')])).toEqual({ value: null, revision: 2 });
      expect((await db.revisionsAfter('first', 0, 10)) as object[]).toMatchObject([
        { revision: 1, urgent: true },
        { revision: 2, urgent: false },
      ]);
      const audit = await db.prisma.auditEvent.findMany({ where: { realm: 'first' }, orderBy: { seq: 'asc' } });
      expect(audit.map((row) => row.revision)).toEqual([1n, null, 2n]);
      expect(hex((await db.head('first')).stateDigest)).toBe('0'.repeat(64));
    });

    test('a realm that does not exist is named, and nothing is written for it', async () => {
      await expect(write(db, 'nowhere', [put(1, '', 'a')])).rejects.toThrow(RealmUnknown);
      await expect(db.head('nowhere')).rejects.toThrow(RealmUnknown);
      await expect(db.snapshot('nowhere')).rejects.toThrow(RealmUnknown);
      expect(await db.prisma.auditEvent.count({ where: { realm: 'nowhere' } })).toBe(0);
    });

    test('a write that fails leaves nothing: no row, no revision, no audit line', async () => {
      await makeRealm(db, 'aborted');
      const failing = db.write('aborted', tester, async (tx) => {
        await tx.configObject.create({ data: { realm: 'aborted', kind: 'route', name: 'r', spec: {}, revision: 1 } });
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      expect(await db.prisma.configObject.count({ where: { realm: 'aborted' } })).toBe(0);
      expect((await db.head('aborted')).revision).toBe(0);
      expect(await write(db, 'aborted', [put(1, '', 'a')])).toMatchObject({ revision: 1 });
    });

    test('concurrent writers and aborts leave dense, chained revisions, and the snapshot equals the replayed log', async () => {
      await makeRealm(db, 'crowd');
      const made = new Map<number, readonly StateRecord[]>();
      let aborted = 0;
      const writers = Array.from({ length: 20 }, async (_, writer) => {
        for (let turn = 0; turn < 6; turn++) {
          const records = [
            put(4, `shared-${turn % 3}`, `${writer}.${turn}`),
            put(6, `own-${writer}`, `${turn}`),
            ...(turn === 5 ? [gone(6, `own-${writer}`)] : []),
          ];
          try {
            const { revision } = await db.write('crowd', tester, async (tx) => {
              await tx.configObject.upsert({
                where: { realm_kind_name: { realm: 'crowd', kind: 'w', name: `${writer}` } },
                create: { realm: 'crowd', kind: 'w', name: `${writer}`, spec: {}, revision: 0 },
                update: { spec: { turn } },
              });
              if ((writer + turn) % 7 === 0) throw new Error('abort');
              return { value: null, records, summary: [], audit: [] };
            });
            if (revision !== null) made.set(revision, records);
          } catch (error) {
            expect(error).toEqual(new Error('abort'));
            aborted += 1;
          }
        }
      });
      await Promise.all(writers);
      expect(aborted).toBeGreaterThan(0);
      expect(await checkLog(db, 'crowd')).toBe(120 - aborted);
      expect([...made.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 120 - aborted }, (_, i) => i + 1));

      const snapshot = await db.snapshot('crowd');
      const expected = replay([...made].sort(([a], [b]) => a - b).map(([, records]) => records));
      expect(new Map(snapshot.records.map((r) => [`${r.kind}/${r.id}`, hex(r.payload ?? new Uint8Array())]))).toEqual(
        expected.entities,
      );
      expect(hex(snapshot.stateDigest)).toBe(expected.digest);
      expect(snapshot.revision).toBe(120 - aborted);
    }, 60_000);

    test('any sequence of puts and deletes, repeated within a revision too, gives the digest of what is left', async () => {
      const record = fc.oneof(
        fc
          .record({
            kind: fc.integer({ min: 1, max: 3 }),
            id: fc.constantFrom('a', 'b', 'c d', 'ü'),
            text: fc.string({ maxLength: 5 }),
          })
          .map(({ kind, id, text }) => put(kind, id, text)),
        fc
          .record({ kind: fc.integer({ min: 1, max: 3 }), id: fc.constantFrom('a', 'b', 'c d', 'ü') })
          .map(({ kind, id }) => gone(kind, id)),
      );
      let serial = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(record, { minLength: 1, maxLength: 6 }), { maxLength: 6 }), async (revisions) => {
          const realm = `any${++serial}`;
          await makeRealm(db, realm);
          for (const records of revisions) await write(db, realm, records);
          const snapshot = await db.snapshot(realm);
          const expected = replay(revisions);
          expect(new Map(snapshot.records.map((r) => [`${r.kind}/${r.id}`, hex(r.payload ?? new Uint8Array())]))).toEqual(
            expected.entities,
          );
          expect(hex(snapshot.stateDigest)).toBe(expected.digest);
        }),
        { numRuns: 25 },
      );
    }, 60_000);

    test('a reader never sees a revision before the one in front of it', async () => {
      await makeRealm(db, 'read');
      let writing = true;
      const reader = (async () => {
        let at = 0;
        while (writing || at < (await db.head('read')).revision) {
          const found = await db.revisionsAfter('read', at, 1000);
          if (found === 'gone') throw new Error('gone');
          for (const entry of found) {
            expect(entry.revision).toBe(at + 1);
            at = entry.revision;
          }
        }
        return at;
      })();
      await Promise.all(Array.from({ length: 30 }, (_, i) => write(db, 'read', [put(4, `r${i}`, 'x')])));
      writing = false;
      expect(await reader).toBe(30);
    }, 60_000);

    test('an exclusive write judges a configuration that nobody changes before it commits', async () => {
      await makeRealm(db, 'sole');
      await Promise.all(
        Array.from({ length: 10 }, () =>
          db.write(
            'sole',
            tester,
            async (tx) => {
              const seen = await tx.configObject.count({ where: { realm: 'sole' } });
              await tx.configObject.create({ data: { realm: 'sole', kind: 'k', name: `n${seen}`, spec: {}, revision: 0 } });
              return { value: null, records: [put(4, `n${seen}`, 'x')], summary: [], audit: [] };
            },
            { exclusive: true },
          ),
        ),
      );
      expect((await db.head('sole')).revision).toBe(10);
    }, 60_000);

    test('a snapshot of many and of large entities is whole, in order, and names every byte', async () => {
      await makeRealm(db, 'large');
      await db.prisma.$executeRaw`INSERT INTO entity (realm, kind, id, payload, hash, revision)
        SELECT 'large', 6, 'k' || i, convert_to('payload ' || i, 'UTF8'), ''::bytea, 1 FROM generate_series(1, 25000) AS i`;
      await db.prisma.$executeRaw`INSERT INTO entity (realm, kind, id, payload, hash, revision)
        SELECT 'large', 4, 'ünï ' || i, decode(repeat('ab', 1000000), 'hex'), ''::bytea, 1 FROM generate_series(1, 30) AS i`;
      const { records } = await db.snapshot('large');
      expect(records).toHaveLength(25_030);
      expect(
        records
          .slice(0, 30)
          .every(({ kind, payload }) => kind === 4 && payload?.byteLength === 1_000_000 && payload[999_999] === 0xab),
      ).toBe(true);
      const keys = new Map(records.slice(30).map(({ id, payload }) => [id, Buffer.from(payload ?? []).toString()]));
      expect(keys.size).toBe(25_000);
      expect([...keys].every(([id, payload]) => payload === `payload ${id.slice(1)}`)).toBe(true);
    }, 60_000);

    test('a reader who is behind the kept log is sent to a snapshot', async () => {
      await makeRealm(db, 'kept');
      for (let i = 0; i < 5; i++) await write(db, 'kept', [put(4, `r${i}`, 'x')]);
      await db.prisma.revision.deleteMany({ where: { realm: 'kept', revision: { lte: 3 } } });
      expect(await db.revisionsAfter('kept', 0, 10)).toBe('gone');
      expect(await db.revisionsAfter('kept', 3, 10)).toHaveLength(2);
      expect(await db.revisionsAfter('kept', 5, 10)).toEqual([]);
      await db.tidy(Date.now());
      expect(await db.revisionsAfter('kept', 3, 10)).toHaveLength(2);
    });
  });
}
