import type { CompiledTier, OnAuthorityLoss, Rate } from '@fluxgate/policy';
import type { LeaseClient, LeaseTable, RateCounters } from '../memory/ports.ts';
import { type KeyRoom, stillLives } from './authenticate.ts';
import { addressSubject } from './edges.ts';
import type { AcceptedToken, Exchange, RefusalOrPass } from './exchange.ts';
import { type CompiledQuota, windowAt } from './grants.ts';
import { type LimitHeader, limitHeader, type RateCheck } from './program.ts';

/**
 * Two kinds of limits, in this order:
 *
 * 1. Rates (tier, rate_limit): GCRA in shared memory. Never waited for. A slot that is used by a request which a later
 *    limit refuses comes back by itself within the emission interval, so nothing is given back.
 * 2. Exact counts (request budget of the version, quota of the credential): leased tokens. These do not come back, so
 *    they are taken last, the budget before the quota, and what was taken is put back when the request is refused after all.
 *
 * So a request that is not forwarded is never charged to a budget or a quota, and one that is, exactly once to each.
 */
export interface LimitRoom {
  readonly counters: RateCounters;
  readonly leases: LeaseTable;
  readonly leaseClient: LeaseClient;
  readonly now: () => number;
  /** Called when a limit was not enforced exactly because its authority was away. Never silent. */
  readonly onLoss: (limit: 'quota' | 'budget', did: OnAuthorityLoss) => void;
}

/** Number of the stand-in limit that counts a quota on this node alone; plans never give 0 to a limit of theirs. */
const LOCAL_QUOTA = 0;
/** How often a request that finds the lease taken by its neighbours asks again before it gives up. */
const LEASE_ATTEMPTS = 8;
const AUTHORITY_RETRY_MS = 1000;

export function takeRate(x: Exchange, limit: RateCheck, subject: string, counters: RateCounters): RefusalOrPass {
  return take(x, limit.id, subject, limit.rate, limit.burst, limit.header, counters);
}

/** Tier by credential, then the route's limits by key. Exact over the workers of this node. */
export function takeRates(x: Exchange, room: LimitRoom): RefusalOrPass {
  const grant = x.accepted ? x.grant : null;
  const token = grant === null ? x.token : null;
  const subject = grant === null ? tokenSubject(x, token) : String(x.credential);
  const tier = grant === null ? (token === null ? null : x.plan.tierOf(token.scopes)) : grant.tier;
  if (tier !== null) {
    const refusal = take(x, tier.id, subject, tier.rate, tier.burst, tierHeader(tier), room.counters);
    if (refusal !== null) return refusal;
  }
  for (const limit of x.rates) {
    const refusal = takeRate(x, limit, subject, room.counters);
    if (refusal !== null) return refusal;
  }
  return null;
}

/** Whoever a token is for, under its issuer; a token for nobody in particular counts by address. Credentials are numbers: no clash. */
function tokenSubject(x: Exchange, token: AcceptedToken | null): string {
  return token === null || token.subject === '' ? addressSubject(x.facts) : `t:${token.check.provider.issuer} ${token.subject}`;
}

function take(
  x: Exchange,
  id: number,
  subject: string,
  rate: Rate,
  burst: number,
  header: LimitHeader,
  counters: RateCounters,
): RefusalOrPass {
  const verdict = counters.take(id, subject, rate, burst, x.nowMs);
  tell(x, header, verdict.remaining, verdict.resetMs);
  if (verdict.allowed) return null;
  x.retryAfterMs = verdict.retryAfterMs;
  x.because = `over ${header.policy}`;
  return 'rate_limited';
}

function tell(x: Exchange, header: LimitHeader, remaining: number, resetMs: number): void {
  const item = `${header.item};r=${Math.max(0, Math.floor(remaining))};t=${Math.max(0, Math.ceil(resetMs / 1000))}`;
  x.rateHeader = x.rateHeader === '' ? item : `${x.rateHeader}, ${item}`;
  x.policyHeader = x.policyHeader === '' ? header.policy : `${x.policyHeader}, ${header.policy}`;
}

/** Spends the exact counts; a promise only when tokens have to be fetched. */
export function spendCounts(x: Exchange, room: LimitRoom, keys: KeyRoom): RefusalOrPass | Promise<RefusalOrPass> {
  const grant = x.accepted ? x.grant : null;
  if (grant === null) return null;
  if (grant.requestBudget !== null) {
    const got = room.leases.spend(budgetSubject(x), x.nowMs);
    if (got === 'exhausted') return budgetExhausted(x);
    if (got !== 'ok') return spendSlowly(x, room, keys);
    x.budgetSpent = true;
  }
  if (grant.quota !== null) {
    const quota = windowAt(grant.quota, x.nowMs);
    const subject = quotaSubject(x, quota);
    const got = room.leases.spend(subject, x.nowMs);
    if (got === 'exhausted') return quotaExceeded(x, room, quota, subject);
    if (got !== 'ok') return spendSlowly(x, room, keys);
    x.quotaSpent = subject;
    tellQuota(x, room, quota, subject);
  }
  return null;
}

async function spendSlowly(x: Exchange, room: LimitRoom, keys: KeyRoom): Promise<RefusalOrPass> {
  const grant = x.grant;
  if (grant === null) return null;
  if (grant.requestBudget !== null && !x.budgetSpent) {
    const got = await obtain(room, () => budgetSubject(x));
    if (got === 'exhausted') return budgetExhausted(x);
    if (got === 'ok') x.budgetSpent = true;
    else if (!survivesLoss(x, room, 'budget')) return authorityUnavailable(x, 'request budget');
  }
  if (grant.quota !== null) {
    const quota = grant.quota;
    // The window may end while we wait: each attempt counts where it falls.
    const got = await obtain(room, (nowMs) => quotaSubject(x, windowAt(quota, nowMs)));
    const subject = quotaSubject(x, quota);
    if (got === 'exhausted') return quotaExceeded(x, room, quota, subject);
    if (got === 'ok') {
      x.quotaSpent = subject;
      tellQuota(x, room, quota, subject);
    } else if (!survivesLoss(x, room, 'quota')) return refund(x, room, authorityUnavailable(x, 'quota'));
  }
  return refundUnlessNull(x, room, stillLives(x, keys, room.now()));
}

type Got = 'ok' | 'exhausted' | 'lost';

async function obtain(room: LimitRoom, subjectAt: (nowMs: number) => string): Promise<Got> {
  for (let attempt = 0; attempt < LEASE_ATTEMPTS; attempt++) {
    const nowMs = room.now();
    const subject = subjectAt(nowMs);
    const spent = room.leases.spend(subject, nowMs);
    if (spent === 'ok' || spent === 'exhausted') return spent;
    const answer = await room.leaseClient.request(subject);
    if (answer === 'unavailable') return 'lost';
    if (answer === 'exhausted') return 'exhausted';
  }
  return 'lost';
}

/** `on_authority_loss`: what a request gets when nobody can say whether a token is left. */
function survivesLoss(x: Exchange, room: LimitRoom, limit: 'quota' | 'budget'): boolean {
  const policy = x.plan.apiKey?.onAuthorityLoss ?? 'deny';
  room.onLoss(limit, policy);
  if (policy === 'allow') return true;
  // There is no share of a lifetime's budget that a node could safely assume: `local` denies here.
  if (policy === 'deny' || limit === 'budget') return false;
  const quota = x.grant?.quota ?? null;
  if (quota === null) return false;
  // `local`: the quota as a rate on this node, a tenth of it at once. Bound: 1.1 × limit per node and window of outage.
  const perMs = WINDOW_MS[quota.spec.window];
  const burst = Math.max(1, Math.floor(quota.spec.limit / 10));
  const verdict = room.counters.take(LOCAL_QUOTA, String(x.credential), { limit: quota.spec.limit, perMs }, burst, room.now());
  return verdict.allowed;
}

const WINDOW_MS = { hour: 3_600_000, day: 86_400_000, month: 30 * 86_400_000 } as const;

const tierHeaders = new WeakMap<CompiledTier, LimitHeader>();
const quotaHeaders = new WeakMap<CompiledQuota, LimitHeader>();

function tierHeader(tier: CompiledTier): LimitHeader {
  let header = tierHeaders.get(tier);
  if (header === undefined) {
    header = limitHeader(tier.name, tier.rate.limit, tier.rate.perMs);
    tierHeaders.set(tier, header);
  }
  return header;
}

function quotaHeader(quota: CompiledQuota): LimitHeader {
  let header = quotaHeaders.get(quota);
  if (header === undefined) {
    header = limitHeader('quota', quota.spec.limit, WINDOW_MS[quota.spec.window]);
    quotaHeaders.set(quota, header);
  }
  return header;
}

function tellQuota(x: Exchange, room: LimitRoom, quota: CompiledQuota, subject: string): void {
  tell(x, quotaHeader(quota), room.leases.left(subject), quota.endsAtMs - x.nowMs);
}

function quotaExceeded(x: Exchange, room: LimitRoom, quota: CompiledQuota, subject: string): RefusalOrPass {
  x.nowMs = room.now();
  tell(x, quotaHeader(quota), 0, quota.endsAtMs - x.nowMs);
  x.retryAfterMs = Math.max(1000, quota.endsAtMs - x.nowMs);
  x.because = `quota used up: ${subject}`;
  return refund(x, room, 'quota_exceeded');
}

function budgetExhausted(x: Exchange): RefusalOrPass {
  x.because = 'the request budget of this key version is used up';
  return 'budget_exhausted';
}

function authorityUnavailable(x: Exchange, what: string): RefusalOrPass {
  x.retryAfterMs = AUTHORITY_RETRY_MS;
  x.because = `no token left for the ${what}, and the control plane cannot be asked (on_authority_loss)`;
  return 'authority_unavailable';
}

function refundUnlessNull(x: Exchange, room: LimitRoom, refusal: RefusalOrPass): RefusalOrPass {
  return refusal === null ? null : refund(x, room, refusal);
}

function refund(x: Exchange, room: LimitRoom, refusal: RefusalOrPass): RefusalOrPass {
  if (x.budgetSpent) room.leases.refund(budgetSubject(x));
  if (x.quotaSpent !== '') room.leases.refund(x.quotaSpent);
  x.budgetSpent = false;
  x.quotaSpent = '';
  return refusal;
}

function budgetSubject(x: Exchange): string {
  return `b:${x.kid}`;
}

function quotaSubject(x: Exchange, quota: CompiledQuota): string {
  return `q:${x.credential}:${quota.windowId}`;
}
