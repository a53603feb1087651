import { randomUUID } from 'node:crypto';
import { leaseSize, type Quota, quotaWindow } from '@fluxgate/policy';
import type { Lease, LeaseAuthority, LeaseDemand, LeaseSubject } from '../ports/lease-authority.ts';
import { classified } from './classify.ts';
import type { Engine, Sql } from './engine.ts';

/** A lease should last a node about this long; less as the limit nears (leaseSize). */
const HORIZON_S = 10;
/** Clocks of nodes and control planes may differ by this much around the end of a window. */
const SKEW_MS = 5_000;
/** Leases remembered for their return; the oldest are forgotten first (their unspent tokens are lost). */
const REMEMBERED_MAX = 200_000;

interface Granted {
  readonly realm: string;
  readonly holder: string;
  readonly subject: LeaseSubject;
  readonly amount: number;
}

interface Place {
  readonly limit: number;
  /** Instant the window ends; null for a budget. */
  readonly endsAtMs: number | null;
  left(): Promise<number>;
  /** Takes at most `size`; answers what was taken and what is left. One statement, committed when it resolves. */
  debit(size: number): Promise<{ taken: number; left: number }>;
}

const nothing = (place: Pick<Place, 'limit'>, left: number, exhausted: boolean, remainingMs: number | null): Lease => ({
  leaseId: '',
  granted: 0,
  exhausted,
  limit: place.limit,
  left: Math.max(0, left),
  remainingMs,
});

/**
 * Leases over the tables. What was granted is known to this process only: after a crash nobody can return it, so tokens are lost
 * and never minted. Quotas and budgets are read from the tables at each grant: a lowered limit or an ended key counts at once.
 */
export function createLeaseAuthority(engine: Engine, clock: () => number, newLeaseId: () => string = randomUUID): LeaseAuthority {
  const granted = new Map<string, Granted>();

  const remember = (leaseId: string, grant: Granted) => {
    granted.set(leaseId, grant);
    const oldest = granted.size > REMEMBERED_MAX ? granted.keys().next().value : undefined;
    if (oldest !== undefined) granted.delete(oldest);
  };

  return {
    grant: (demand) =>
      classified(async () => {
        const nowMs = clock();
        const place = await findPlace(engine.sql, demand, nowMs);
        // An ended or unknown key, or no such limit on it: nothing to hand out, now or later.
        if (place === null) return nothing({ limit: 0 }, 0, true, null);
        if ('otherWindowEndsAtMs' in place) return nothing(place, 0, false, place.otherWindowEndsAtMs - nowMs);
        // A node whose clock is behind still counts in the window that has just ended: its tokens live as long as the tolerance.
        const remainingMs =
          place.endsAtMs === null
            ? null
            : place.endsAtMs > nowMs
              ? place.endsAtMs - nowMs
              : Math.max(0, place.endsAtMs + SKEW_MS - nowMs);
        const left = await place.left();
        const size = Math.min(
          demand.want,
          leaseSize({ left, activeNodes: demand.activeNodes, ratePerS: demand.want / HORIZON_S, horizonS: HORIZON_S }),
        );
        if (size <= 0) return nothing(place, left, true, remainingMs);
        const { taken, left: leftAfter } = await place.debit(size);
        if (taken <= 0) return nothing(place, leftAfter, true, remainingMs);
        const leaseId = newLeaseId();
        remember(leaseId, { realm: demand.realm, holder: demand.holder, subject: demand.subject, amount: taken });
        return { leaseId, granted: taken, exhausted: false, limit: place.limit, left: Math.max(0, leftAfter), remainingMs };
      }),

    async giveBack(realm, holder, leaseId, amount) {
      const grant = granted.get(leaseId);
      if (grant === undefined || grant.realm !== realm || grant.holder !== holder) return false;
      // Forgotten before the credit: if that fails, the tokens are lost and can not be credited twice.
      granted.delete(leaseId);
      if (!Number.isInteger(amount) || amount < 1 || amount > grant.amount) return false;
      return classified(() => credit(engine.sql, grant, amount));
    },
  };
}

async function findPlace(
  sql: Sql,
  { realm, subject }: LeaseDemand,
  nowMs: number,
): Promise<Place | { limit: number; otherWindowEndsAtMs: number } | null> {
  if (subject.kind === 'budget') return budgetPlace(sql, realm, subject.kid, nowMs);
  const [row] = await sql.query<{ quota: string | null }>(
    `SELECT quota::text AS quota FROM credential WHERE realm = $1 AND number = $2::int AND state = 'active'`,
    [realm, subject.credential],
  );
  const quota = row === undefined || row.quota === null ? null : readQuota(row.quota);
  if (quota === null) return null;
  // A node whose clock is a little off asks for the window before or after; each window has its own count, so that is safe.
  const window = [nowMs, nowMs + SKEW_MS, nowMs - SKEW_MS]
    .map((atMs) => quotaWindow(quota, atMs))
    .find(({ id }) => id === subject.window);
  if (window === undefined) return { limit: quota.limit, otherWindowEndsAtMs: quotaWindow(quota, nowMs).endsAtMs };
  return quotaPlace(sql, realm, subject.credential, quota.limit, window);
}

function readQuota(json: string): Quota | null {
  const value = JSON.parse(json) as Partial<Quota> | null;
  if (value === null || typeof value.limit !== 'number' || value.window === undefined) return null;
  return { limit: value.limit, window: value.window, zone: value.zone ?? 'UTC' };
}

function quotaPlace(sql: Sql, realm: string, credential: number, limit: number, window: { id: string; endsAtMs: number }): Place {
  const key = [realm, credential, window.id] as const;
  return {
    limit,
    endsAtMs: window.endsAtMs,
    async left() {
      const [row] = await sql.query<{ allotted: string; limit: string }>(
        'SELECT allotted::text AS allotted, limit_total::text AS limit FROM quota_window WHERE realm = $1 AND credential = $2::int AND "window" = $3',
        key,
      );
      if (row !== undefined && Number(row.limit) === limit) return limit - Number(row.allotted);
      // The row carries the limit that the debit guard compares with: a new or changed one is written before any debit.
      const [made] = await sql.query<{ allotted: string }>(
        `INSERT INTO quota_window AS q (realm, credential, "window", limit_total, ends_at)
         VALUES ($1, $2::int, $3, $4::bigint, to_timestamp($5::float8 / 1000))
         ON CONFLICT (realm, credential, "window") DO UPDATE SET limit_total = excluded.limit_total
         RETURNING allotted::text AS allotted`,
        [...key, String(limit), window.endsAtMs],
      );
      return limit - Number(made?.allotted ?? limit);
    },
    async debit(size) {
      // The row is locked first, so `before` is what the update adds to; two statements could let another debit in between.
      const [row] = await sql.query<{ before: string; after: string }>(
        `UPDATE quota_window q
            SET allotted = q.allotted + least($4::bigint, least($5::bigint, q.limit_total) - q.allotted)
           FROM (SELECT realm, credential, "window", allotted FROM quota_window
                  WHERE realm = $1 AND credential = $2::int AND "window" = $3 FOR UPDATE) b
          WHERE q.realm = b.realm AND q.credential = b.credential AND q."window" = b."window"
            AND q.allotted < least($5::bigint, q.limit_total)
         RETURNING b.allotted::text AS before, q.allotted::text AS after`,
        [...key, String(size), String(limit)],
      );
      return row === undefined
        ? { taken: 0, left: 0 }
        : { taken: Number(row.after) - Number(row.before), left: limit - Number(row.after) };
    },
  };
}

async function budgetPlace(sql: Sql, realm: string, kid: string, nowMs: number): Promise<Place | null> {
  const [row] = await sql.query<{ limit: string; allotted: string }>(
    `SELECT budget_limit::text AS limit, budget_allotted::text AS allotted FROM key_version
      WHERE realm = $1 AND kid = $2 AND budget_limit IS NOT NULL AND state IN ('active', 'retiring')
        AND (not_after IS NULL OR not_after > to_timestamp($3::float8 / 1000))`,
    [realm, kid, nowMs],
  );
  if (row === undefined) return null;
  const limit = Number(row.limit);
  return {
    limit,
    endsAtMs: null,
    left: async () => limit - Number(row.allotted),
    async debit(size) {
      const [done] = await sql.query<{ before: string; after: string; limit: string }>(
        `UPDATE key_version v
            SET budget_allotted = v.budget_allotted + least($3::bigint, v.budget_limit - v.budget_allotted)
           FROM (SELECT kid, budget_allotted FROM key_version WHERE realm = $1 AND kid = $2 FOR UPDATE) b
          WHERE v.kid = b.kid AND v.budget_allotted < v.budget_limit AND v.state IN ('active', 'retiring')
         RETURNING b.budget_allotted::text AS before, v.budget_allotted::text AS after, v.budget_limit::text AS limit`,
        [realm, kid, String(size)],
      );
      if (done === undefined) return { taken: 0, left: 0 };
      return { taken: Number(done.after) - Number(done.before), left: Number(done.limit) - Number(done.after) };
    },
  };
}

async function credit(sql: Sql, { realm, subject }: Granted, amount: number): Promise<boolean> {
  // `>= amount` guards the count against anything this code did not foresee: better lost than minted.
  const rows =
    subject.kind === 'quota'
      ? await sql.query(
          `UPDATE quota_window SET allotted = allotted - $4::bigint
            WHERE realm = $1 AND credential = $2::int AND "window" = $3 AND allotted >= $4::bigint RETURNING 1 AS one`,
          [realm, subject.credential, subject.window, String(amount)],
        )
      : await sql.query(
          `UPDATE key_version SET budget_allotted = budget_allotted - $3::bigint
            WHERE realm = $1 AND kid = $2 AND budget_allotted >= $3::bigint RETURNING 1 AS one`,
          [realm, subject.kid, String(amount)],
        );
  return rows.length === 1;
}
