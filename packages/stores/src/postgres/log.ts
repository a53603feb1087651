import { RealmUnknown, StoreCorrupt } from '../ports/faults.ts';
import type { Head, LoggedRevision, RevisionLog, StateSnapshot } from '../ports/revision-log.ts';
import type { StateRecord } from '../ports/state-codec.ts';
import { classified } from './classify.ts';
import type { Engine, Sql } from './engine.ts';

/** Rows fetched at once while a snapshot is read; keys are about 100 bytes each. */
const SNAPSHOT_PAGE = 10_000;

/** Bytes of one page; a larger entity comes alone. */
const SNAPSHOT_PAGE_BYTES = 8 * 1024 * 1024;

/** One value a page: a row object for each of a million entities costs more than reading them. */
const SNAPSHOT_SQL = `
  SELECT string_agg(int2send(kind) || int2send(octet_length(id)::int2) || convert_to(id, 'UTF8') || int4send(octet_length(payload)) || payload,
                    ''::bytea ORDER BY kind, id) AS pack
    FROM (SELECT kind, id, payload, row_number() OVER w AS nth, sum(octet_length(payload) + 64) OVER w AS size
            FROM (SELECT kind, id, payload FROM entity
                   WHERE realm = $1 AND (kind, id) > ($2::smallint, $3) ORDER BY kind, id LIMIT $4::int) AS ahead
          WINDOW w AS (ORDER BY kind, id ROWS UNBOUNDED PRECEDING)) AS page
   WHERE nth = 1 OR size <= ${SNAPSHOT_PAGE_BYTES}`;

/** Numbers are big-endian; payloads are views into `pack`. */
function unpack(pack: Uint8Array, into: StateRecord[]): void {
  const bytes = Buffer.from(pack.buffer, pack.byteOffset, pack.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes.readInt16BE(at);
    const idEnd = at + 4 + bytes.readInt16BE(at + 2);
    const end = idEnd + 4 + bytes.readInt32BE(idEnd);
    into.push({ op: 'put', kind, id: bytes.toString('utf8', at + 4, idEnd), payload: bytes.subarray(idEnd + 4, end) });
    at = end;
  }
}

interface HeadRow {
  readonly epoch: string;
  readonly revision: string;
  readonly chain: Uint8Array;
  readonly state_digest: Uint8Array;
}

async function readHead(sql: Sql, realm: string): Promise<Head> {
  const [row] = await sql.query<HeadRow>(
    'SELECT epoch, revision::text AS revision, chain, state_digest FROM realm WHERE name = $1',
    [realm],
  );
  if (row === undefined) throw new RealmUnknown(realm);
  return { epoch: row.epoch, revision: Number(row.revision), chain: row.chain, stateDigest: row.state_digest };
}

interface RevisionRow {
  readonly revision: string;
  readonly records: Uint8Array;
  readonly chain: Uint8Array;
  readonly state_digest: Uint8Array;
  readonly urgent: boolean;
  readonly committed_ms: string;
}

export function createRevisionLog(engine: Engine): RevisionLog {
  return {
    head: (realm) => classified(() => readHead(engine.sql, realm)),

    revisionsAfter: (realm, after, limit) =>
      classified(async () => {
        const rows = await engine.sql.query<RevisionRow>(
          `SELECT revision::text AS revision, records, chain, state_digest, urgent,
                  floor(extract(epoch from committed_at) * 1000)::bigint::text AS committed_ms
             FROM revision r WHERE r.realm = $1 AND r.revision > $2::bigint ORDER BY r.revision LIMIT $3::int`,
          [realm, String(after), limit],
        );
        const found = rows.map(
          (row): LoggedRevision => ({
            revision: Number(row.revision),
            records: row.records,
            chain: row.chain,
            stateDigest: row.state_digest,
            urgent: row.urgent,
            committedAtMs: Number(row.committed_ms),
          }),
        );
        if (found.length === 0) {
          const head = await readHead(engine.sql, realm);
          // Committed between the two statements: the next poll finds it. A pruned log never loses its newest row.
          return head.revision > after && (await isPruned(engine.sql, realm, after)) ? 'gone' : found;
        }
        if (found[0]?.revision !== after + 1) return 'gone';
        found.forEach((entry, index) => {
          if (entry.revision !== after + 1 + index)
            throw new StoreCorrupt(`realm ${realm}: revision ${after + 1 + index} is missing from the log`);
        });
        return found;
      }),

    weigh: (realm, after) =>
      classified(async () => {
        const [row] = await engine.sql.query<{ delta: string; snapshot: string }>(
          `SELECT (SELECT coalesce(sum(octet_length(records)), 0) FROM revision WHERE realm = $1 AND revision > $2::bigint)::text AS delta,
                  (SELECT coalesce(sum(octet_length(payload) + octet_length(id) + 8), 0) FROM entity WHERE realm = $1)::text AS snapshot`,
          [realm, String(after)],
        );
        return { deltaBytes: Number(row?.delta ?? 0), snapshotBytes: Number(row?.snapshot ?? 0) };
      }),

    snapshot: (realm) =>
      classified(() =>
        engine.readMoment(async (sql): Promise<StateSnapshot> => {
          const head = await readHead(sql, realm);
          const records: StateRecord[] = [];
          for (let last = { kind: -1, id: '' }; ; ) {
            const [page] = await sql.query<{ pack: Uint8Array | null }>(SNAPSHOT_SQL, [realm, last.kind, last.id, SNAPSHOT_PAGE]);
            if (page === undefined || page.pack === null) break;
            unpack(page.pack, records);
            last = records.at(-1) ?? last;
          }
          return { ...head, records };
        }),
      ),
  };
}

async function isPruned(sql: Sql, realm: string, after: number): Promise<boolean> {
  const rows = await sql.query<object>('SELECT 1 AS one FROM revision WHERE realm = $1 AND revision = $2::bigint', [
    realm,
    String(after + 1),
  ]);
  return rows.length === 0;
}
