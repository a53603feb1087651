import { RealmUnknown, StoreCorrupt } from '../ports/faults.ts';
import type { StateCodec, StateRecord } from '../ports/state-codec.ts';
import { classifyDatabaseError, isRetryable } from './classify.ts';
import type { Client, Tx } from './client.ts';

/** Who acts, as the audit trail tells it. */
export interface Actor {
  readonly name: string;
  readonly role: string;
  readonly address: string | null;
  readonly requestId: string;
}

/** One line of the audit trail. Never secrets. */
export interface AuditEntry {
  /** `keys.rotate` */
  readonly action: string;
  readonly target: string;
  /** `ok` unless set. */
  readonly outcome?: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface WriteResult<T> {
  readonly value: T;
  /** What the nodes must learn, in order. Empty: no revision is made. */
  readonly records: readonly StateRecord[];
  /** It revokes, suspends or narrows: nodes get it at once and put it on disk at once. */
  readonly urgent?: boolean;
  /** For people: what the revision changed. */
  readonly summary: readonly { readonly op: string; readonly kind: string; readonly id: string }[];
  readonly audit: readonly AuditEntry[];
}

export interface Written<T> {
  readonly value: T;
  /** null: nothing for the nodes, no revision. */
  readonly revision: number | null;
}

export interface WriteOptions {
  /**
   * Takes the realm's head before `fn` runs, not after: for writes that judge the whole configuration, which must not change
   * between the judgement and the commit. Key writes leave it out and hold the head only for the last statements.
   */
  readonly exclusive?: boolean;
}

/** Times a transaction is run again after a deadlock or a lock wait (2 s each) before the caller hears `DatabaseUnavailable`. */
const ATTEMPTS_MAX = 3;

/** Holds the realm's head until the transaction ends. Later writers of this realm wait, at most `lock_timeout`. */
export async function lockRealm(tx: Tx, realm: string): Promise<void> {
  const rows = await tx.$queryRaw<object[]>`SELECT 1 AS one FROM realm WHERE name = ${realm} FOR UPDATE`;
  if (rows.length === 0) throw new RealmUnknown(realm);
}

/** Holds a credential until the transaction ends: rotations of one credential run one after the other. False: no such row. */
export async function lockCredential(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.$queryRaw<object[]>`SELECT 1 AS one FROM credential WHERE id = ${id} FOR UPDATE`;
  return rows.length > 0;
}

export function createWriter(client: Client, codec: StateCodec, sleep: (ms: number) => Promise<void>) {
  return async function write<T>(
    realm: string,
    actor: Actor,
    fn: (tx: Tx) => Promise<WriteResult<T>>,
    options: WriteOptions = {},
  ): Promise<Written<T>> {
    for (let attempt = 1; ; attempt++) {
      let committing = false;
      try {
        return await client.$transaction(async (tx) => {
          committing = false;
          if (options.exclusive === true) await lockRealm(tx, realm);
          const result = await fn(tx);
          const revision = result.records.length === 0 ? null : await publish(tx, codec, realm, actor, result);
          await recordAudit(tx, realm, actor, result.audit, revision);
          committing = true;
          return { value: result.value, revision };
        });
      } catch (error) {
        if (isRetryable(error) && attempt < ATTEMPTS_MAX) {
          await sleep(10 * 4 ** attempt);
          continue;
        }
        throw classifyDatabaseError(error, committing);
      }
    }
  };
}

interface HeadRow {
  readonly revision: bigint;
  readonly chain: Uint8Array;
  readonly state_digest: Uint8Array;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

/** The last statements before COMMIT: from the head's lock on, nothing here waits for anything but the database. */
async function publish(tx: Tx, codec: StateCodec, realm: string, actor: Actor, result: WriteResult<unknown>): Promise<number> {
  const bytes = codec.encode(result.records);
  // One row an entity: of several records of one revision the last one stands.
  const last = new Map(result.records.map((record) => [`${record.kind}/${record.id}`, record]));
  const touched = JSON.stringify([...last.values()].map(({ kind, id }) => ({ kind, id })));

  const [head] = await tx.$queryRaw<HeadRow[]>`SELECT revision, chain, state_digest FROM realm WHERE name = ${realm} FOR UPDATE`;
  if (head === undefined) throw new RealmUnknown(realm);
  // A statement of its own: one that waited for the lock would still see the entities as they were before the wait.
  const old = await tx.$queryRaw<{ kind: number; id: string; hash: Uint8Array }[]>`
    SELECT e.kind, e.id, e.hash FROM entity e
      JOIN jsonb_to_recordset(${touched}::jsonb) AS t(kind smallint, id text) ON e.kind = t.kind AND e.id = t.id
     WHERE e.realm = ${realm}`;

  const revision = Number(head.revision) + 1;
  let digest = head.state_digest;
  for (const row of old) digest = codec.sub(digest, row.hash);
  const rows = [...last.values()].map((record) => {
    if (record.op === 'delete' || record.payload === null)
      return { op: record.op, kind: record.kind, id: record.id, payload: '', hash: '' };
    const hash = codec.hash(record.kind, record.id, record.payload);
    digest = codec.add(digest, hash);
    return { op: record.op, kind: record.kind, id: record.id, payload: hex(record.payload), hash: hex(hash) };
  });
  const chain = codec.chain(head.chain, revision, bytes);

  const bumped = await tx.$executeRaw`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS r(op text, kind smallint, id text, payload text, hash text)
    ), gone AS (
      DELETE FROM entity e USING input i WHERE i.op = 'delete' AND e.realm = ${realm} AND e.kind = i.kind AND e.id = i.id
    ), kept AS (
      INSERT INTO entity (realm, kind, id, payload, hash, revision)
      SELECT ${realm}, i.kind, i.id, decode(i.payload, 'hex'), decode(i.hash, 'hex'), ${revision}::bigint FROM input i WHERE i.op = 'put'
      ON CONFLICT (realm, kind, id) DO UPDATE SET payload = excluded.payload, hash = excluded.hash, revision = excluded.revision
    ), logged AS (
      INSERT INTO revision (realm, revision, records, chain, state_digest, urgent, summary, actor)
      VALUES (${realm}, ${revision}::bigint, decode(${hex(bytes)}, 'hex'), decode(${hex(chain)}, 'hex'), decode(${hex(digest)}, 'hex'),
              ${result.urgent === true}, ${JSON.stringify(result.summary)}::jsonb, ${actor.name})
    )
    UPDATE realm SET revision = ${revision}::bigint, chain = decode(${hex(chain)}, 'hex'), state_digest = decode(${hex(digest)}, 'hex')
     WHERE name = ${realm} AND revision = ${revision - 1}::bigint`;
  if (bumped !== 1) throw new StoreCorrupt(`realm ${realm}: the head moved while it was locked`);
  return revision;
}

async function recordAudit(
  tx: Tx,
  realm: string,
  actor: Actor,
  entries: readonly AuditEntry[],
  revision: number | null,
): Promise<void> {
  if (entries.length === 0) return;
  const rows = JSON.stringify(entries.map((entry) => ({ outcome: 'ok', ...entry })));
  await tx.$executeRaw`
    INSERT INTO audit_event (realm, actor, role, action, target, outcome, address, request_id, revision, before, after)
    SELECT ${realm}, ${actor.name}, ${actor.role}, r.action, r.target, r.outcome, ${actor.address}, ${actor.requestId}, ${revision}::bigint,
           nullif(r.before, 'null'::jsonb), nullif(r.after, 'null'::jsonb)
      FROM jsonb_to_recordset(${rows}::jsonb) AS r(action text, target text, outcome text, before jsonb, after jsonb)`;
}
