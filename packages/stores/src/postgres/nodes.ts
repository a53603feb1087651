import { classified } from './classify.ts';
import type { Engine } from './engine.ts';

/** What a node last said of itself, written in batches. */
export interface NodeProgress {
  readonly realm: string;
  readonly name: string;
  readonly bootId: string;
  readonly version: string;
  readonly tokenKid: string;
  readonly epoch: string | null;
  readonly applied: number;
  readonly durable: number;
  readonly digest: string | null;
  readonly quarantined: readonly { readonly kind: string; readonly id: string; readonly why: string }[];
  /** Generation of the secrets that all its workers verify with. */
  readonly secretsGeneration: string | null;
  /** Id of the control-plane process that holds its socket. */
  readonly hub: string;
  /** False: it left that process. */
  readonly connected: boolean;
  readonly lastSeenAtMs: number;
}

export interface NodeRow extends Omit<NodeProgress, 'hub' | 'connected'> {
  /** Id of the control-plane process that holds its socket; null: not connected. */
  readonly connectedTo: string | null;
  /** Base64 of the raw X25519 key. */
  readonly publicKey: string;
  readonly firstSeenAtMs: number;
}

export interface NodeTable {
  /**
   * Enrols a node or moves its name to a new key. Answers the key the name had before: null for a new name.
   */
  enrol(node: NodeProgress & { readonly publicKey: string }): Promise<{ readonly previousKey: string | null }>;
  /** One statement for all. Rows that another process or another boot holds by now are left alone. */
  progress(nodes: readonly NodeProgress[]): Promise<void>;
  /** By name. */
  list(realm: string): Promise<readonly NodeRow[]>;
}

interface Row {
  readonly realm: string;
  readonly name: string;
  readonly public_key: string;
  readonly boot_id: string;
  readonly version: string;
  readonly token_kid: string;
  readonly epoch: string | null;
  readonly applied: string;
  readonly durable: string;
  readonly digest: string | null;
  readonly quarantined: string;
  readonly connected_to: string | null;
  readonly secrets_generation: string | null;
  readonly first_seen_ms: string;
  readonly last_seen_ms: string;
}

export function createNodeTable(engine: Engine): NodeTable {
  return {
    enrol: (node) =>
      classified(async () => {
        const [row] = await engine.sql.query<{ previous: string | null }>(
          `WITH old AS (SELECT public_key FROM node WHERE realm = $1 AND name = $2 FOR UPDATE), made AS (
             INSERT INTO node (realm, name, public_key, boot_id, version, token_kid, epoch, applied, durable, connected_to,
                               secrets_generation, first_seen_at, last_seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8::bigint, $9::bigint, $10, $12, to_timestamp($11::float8 / 1000), to_timestamp($11::float8 / 1000))
             ON CONFLICT (realm, name) DO UPDATE SET public_key = excluded.public_key, boot_id = excluded.boot_id, version = excluded.version,
               token_kid = excluded.token_kid, epoch = excluded.epoch, applied = excluded.applied, durable = excluded.durable,
               connected_to = excluded.connected_to, secrets_generation = excluded.secrets_generation, last_seen_at = excluded.last_seen_at
           )
           SELECT (SELECT public_key FROM old) AS previous`,
          [
            node.realm,
            node.name,
            node.publicKey,
            node.bootId,
            node.version,
            node.tokenKid,
            node.epoch,
            String(node.applied),
            String(node.durable),
            node.hub,
            node.lastSeenAtMs,
            node.secretsGeneration,
          ],
        );
        return { previousKey: row?.previous ?? null };
      }),

    progress: (nodes) =>
      classified(async () => {
        if (nodes.length === 0) return;
        await engine.sql.query(
          `UPDATE node n SET epoch = r.epoch, applied = r.applied, durable = r.durable, digest = r.digest, quarantined = r.quarantined,
                  secrets_generation = r."secretsGeneration",
                  connected_to = CASE WHEN r.connected THEN r.hub END, last_seen_at = to_timestamp(r."lastSeenAtMs" / 1000)
             FROM jsonb_to_recordset($1::jsonb) AS r(realm text, name text, "bootId" text, epoch text, applied bigint, durable bigint, digest text,
                  quarantined jsonb, "secretsGeneration" text, hub text, connected boolean, "lastSeenAtMs" float8)
            WHERE n.realm = r.realm AND n.name = r.name AND n.boot_id = r."bootId" AND n.connected_to = r.hub`,
          [JSON.stringify(nodes)],
        );
      }),

    list: (realm) =>
      classified(async () => {
        const rows = await engine.sql.query<Row>(
          `SELECT realm, name, public_key, boot_id, version, token_kid, epoch, applied::text AS applied, durable::text AS durable, digest,
                  quarantined::text AS quarantined, connected_to, secrets_generation,
                  floor(extract(epoch from first_seen_at) * 1000)::bigint::text AS first_seen_ms,
                  floor(extract(epoch from last_seen_at) * 1000)::bigint::text AS last_seen_ms
             FROM node WHERE realm = $1 ORDER BY name`,
          [realm],
        );
        return rows.map((row) => ({
          realm: row.realm,
          name: row.name,
          publicKey: row.public_key,
          bootId: row.boot_id,
          version: row.version,
          tokenKid: row.token_kid,
          epoch: row.epoch,
          applied: Number(row.applied),
          durable: Number(row.durable),
          digest: row.digest,
          quarantined: JSON.parse(row.quarantined) as NodeRow['quarantined'],
          secretsGeneration: row.secrets_generation,
          connectedTo: row.connected_to,
          firstSeenAtMs: Number(row.first_seen_ms),
          lastSeenAtMs: Number(row.last_seen_ms),
        }));
      }),
  };
}
