import { classified } from './classify.ts';
import type { Engine } from './engine.ts';

const HOUR_MS = 3_600_000;
/** A node that was away longer, or further behind, takes a snapshot. */
const LOG_KEPT_MS = 24 * HOUR_MS;
const LOG_KEPT_REVISIONS = 100_000;
const REPLIES_KEPT_MS = 24 * HOUR_MS;
const WINDOWS_KEPT_MS = 40 * 24 * HOUR_MS;
/** Clocks of issuer and verifiers may differ by this much. */
const TOKENS_KEPT_MS = HOUR_MS;
const REPORTS_KEPT_MS = 7 * 24 * HOUR_MS;
/** Nodes with names of their own (containers) come and go; their enrolment stays in the audit trail. */
const NODES_KEPT_MS = 30 * 24 * HOUR_MS;

/** Removes what nobody asks for any more. Nothing depends on it having run; run it every hour or so. */
export function createTidy(engine: Engine): (nowMs: number) => Promise<void> {
  const before = (ms: number) => ms / 1000;
  return (nowMs) =>
    classified(async () => {
      await engine.sql.query(
        `DELETE FROM revision r USING realm h
          WHERE r.realm = h.name AND r.committed_at < to_timestamp($1::float8) AND r.revision <= h.revision - $2::bigint`,
        [before(nowMs - LOG_KEPT_MS), String(LOG_KEPT_REVISIONS)],
      );
      await engine.sql.query('DELETE FROM idempotent_reply WHERE created_at < to_timestamp($1::float8)', [
        before(nowMs - REPLIES_KEPT_MS),
      ]);
      await engine.sql.query('DELETE FROM quota_window WHERE ends_at < to_timestamp($1::float8)', [
        before(nowMs - WINDOWS_KEPT_MS),
      ]);
      await engine.sql.query('DELETE FROM node WHERE last_seen_at < to_timestamp($1::float8)', [before(nowMs - NODES_KEPT_MS)]);
      await engine.sql.query('DELETE FROM usage_report WHERE created_at < to_timestamp($1::float8)', [
        before(nowMs - REPORTS_KEPT_MS),
      ]);
      for (const table of ['client_assertion', 'revoked_token']) {
        await engine.sql.query(`DELETE FROM ${table} WHERE expires_at < to_timestamp($1::float8)`, [
          before(nowMs - TOKENS_KEPT_MS),
        ]);
      }
    });
}
