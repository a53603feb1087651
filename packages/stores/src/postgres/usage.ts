import type { UsageLedger } from '../ports/usage-ledger.ts';
import { classified } from './classify.ts';
import type { Engine } from './engine.ts';

/** A source sends its reports in order; what is this far behind the newest will not be sent again. */
const SEQ_KEPT = 1000;

/** One statement a report: the (source, seq) row and the counts are kept together or not at all. */
export function createUsageLedger(engine: Engine): UsageLedger {
  return {
    report: (realm, source, seq, entries) =>
      classified(async () => {
        const [row] = await engine.sql.query<{ fresh: boolean }>(
          `WITH fresh AS (
             INSERT INTO usage_report (boot_id, seq) VALUES ($2, $3::bigint) ON CONFLICT DO NOTHING RETURNING seq
           ), entries AS (
             SELECT r.kid, r.day, sum(r.allowed)::bigint AS allowed, sum(r.refused)::bigint AS refused
               FROM jsonb_to_recordset($4::jsonb) AS r(kid text, day text, allowed bigint, refused bigint)
               JOIN key_version v ON v.kid = r.kid AND v.realm = $1
              WHERE EXISTS (SELECT 1 FROM fresh)
              GROUP BY r.kid, r.day ORDER BY r.kid, r.day
           ), counted AS (
             INSERT INTO usage_day AS u (realm, kid, day, allowed, refused)
             SELECT $1, kid, day, allowed, refused FROM entries
             ON CONFLICT (realm, kid, day) DO UPDATE SET allowed = u.allowed + excluded.allowed, refused = u.refused + excluded.refused
           ), latest AS (
             SELECT DISTINCT ON (r.kid) r.kid, to_timestamp(r."lastUsedS") AS at, r."lastAddress" AS address, r."lastUserAgent" AS agent
               FROM jsonb_to_recordset($4::jsonb) AS r(kid text, "lastUsedS" float8, "lastAddress" text, "lastUserAgent" text)
              WHERE r."lastUsedS" > 0 AND EXISTS (SELECT 1 FROM fresh)
              ORDER BY r.kid, r."lastUsedS" DESC
           ), seen AS (
             UPDATE key_version v SET last_used_at = l.at, last_address = l.address, last_user_agent = l.agent
               FROM latest l WHERE v.kid = l.kid AND v.realm = $1 AND (v.last_used_at IS NULL OR v.last_used_at < l.at)
           ), forgotten AS (
             DELETE FROM usage_report WHERE boot_id = $2 AND seq < $3::bigint - ${SEQ_KEPT}
           )
           SELECT EXISTS (SELECT 1 FROM fresh) AS fresh`,
          [realm, source, String(seq), JSON.stringify(entries)],
        );
        return row?.fresh === true;
      }),
  };
}
