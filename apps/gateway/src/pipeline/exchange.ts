import type { CompiledRoute, Plan, RefusalCode } from '@fluxgate/policy';
import type { RequestFacts } from '../seam.ts';
import type { CompiledGrant } from './grants.ts';
import type { RateCheck, RouteProgram } from './program.ts';

/** What a stage answers: null lets the request on. */
export type RefusalOrPass = RefusalCode | null;

/** How far the caller has shown who it is. `unasked`: no stage has needed to know yet. */
export type Possession = 'unasked' | 'absent' | 'proven' | 'impossible';

/**
 * What the stages know of one request, filled in one after the other. A worker reuses one of these for every request
 * that is decided without waiting; one that has to wait takes its exchange along (see `decide.ts`).
 */
export class Exchange {
  facts!: RequestFacts;
  nowMs = 0;
  plan!: Plan;
  route: CompiledRoute | null = null;
  program: RouteProgram | null = null;
  /** A browser asks whether a page may call the route. */
  preflight = false;

  possession: Possession = 'unasked';
  /** Parameter name under which the last authentication also looked into the query. */
  askedQueryParameter: string | null = null;
  kid = '';
  name = '';
  credential = 0;
  grant: CompiledGrant | null = null;
  /** The key passed the checks it was asked for: it counts, and the upstream may be told whose it is. */
  accepted = false;
  retiring = false;
  notAfterS = 0;
  /** The code the authentication gave, kept for further checks of the same request. */
  authenticationCode: RefusalOrPass = null;

  /** Limits by key that wait until it is known who asks. */
  readonly rates: RateCheck[] = [];
  rateHeader = '';
  policyHeader = '';
  budgetSpent = false;
  /** Subject of the quota token this request holds; empty: none. */
  quotaSpent = '';

  /** Why it was refused, for the log only. */
  because = '';
  retryAfterMs = 0;
  missingScope: string | null = null;
  allow: string | null = null;

  begin(facts: RequestFacts, nowMs: number): void {
    this.facts = facts;
    this.nowMs = nowMs;
    this.route = null;
    this.program = null;
    this.preflight = false;
    this.possession = 'unasked';
    this.askedQueryParameter = null;
    this.kid = '';
    this.name = '';
    this.grant = null;
    this.accepted = false;
    this.retiring = false;
    this.authenticationCode = null;
    this.rates.length = 0;
    this.rateHeader = '';
    this.policyHeader = '';
    this.budgetSpent = false;
    this.quotaSpent = '';
    this.because = '';
    this.retryAfterMs = 0;
    this.missingScope = null;
    this.allow = null;
  }
}
