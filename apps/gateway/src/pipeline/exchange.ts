import type {
  CompiledRoute,
  ContentDigest,
  JsonObject,
  Plan,
  RefusalCode,
  SignatureSpec,
  TokenProvider,
  TokenReason,
} from '@fluxgate/policy';
import type { RequestFacts } from '../seam.ts';
import type { OpenedToken } from '../tokens/ports.ts';
import type { CompiledGrant } from './grants.ts';
import type { RateCheck, RouteProgram, TokenCheck } from './program.ts';

/** What a stage answers: null lets the request on. */
export type RefusalOrPass = RefusalCode | null;

/** How far the caller has shown who it is. `unasked`: no stage has needed to know yet. */
export type Possession = 'unasked' | 'absent' | 'proven' | 'impossible';

/** A token that passed the check it was asked for. */
export interface AcceptedToken {
  readonly typ: string | null;
  readonly alg: string;
  readonly claims: JsonObject;
  /** `sub`; empty: the token has none. */
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly check: TokenCheck;
}

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

  /** The signature check that was made last; null: none yet, or the bare key was looked at since. */
  askedSignature: SignatureSpec | null = null;
  /** Key id and nonce that this very request has used up; empty: none. */
  nonceTaken = '';
  /** Digests of which the signature says that the body has them. */
  digests: readonly ContentDigest[] | null = null;

  /** A key was sent, whatever it is worth. */
  keyShown = false;
  tokenShown: 'unasked' | 'none' | 'shown' | 'malformed' | 'doubled' = 'unasked';
  opened: OpenedToken | null = null;
  /** The token passed the checks it was asked for. Beside an accepted key the key says who is calling. */
  token: AcceptedToken | null = null;
  /** Why a token with a good signature does not pass; null: nothing that a stranger may be told. */
  tokenReason: TokenReason | null = null;
  tokenDescription = '';
  /** Which credential the refusal is about. */
  refusedBy: 'key' | 'token' = 'key';
  /** An issuer who may have a key that is missing here. */
  wants: TokenProvider | null = null;
  /** The issuer was asked, and the request is judged again. */
  again = false;

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
    this.askedSignature = null;
    this.nonceTaken = '';
    this.digests = null;
    this.keyShown = false;
    this.tokenShown = 'unasked';
    this.opened = null;
    this.token = null;
    this.tokenReason = null;
    this.tokenDescription = '';
    this.refusedBy = 'key';
    this.wants = null;
    this.again = false;
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

  /** The same request once more: what was read stays, what was found out about its credentials is found out anew. */
  beginAgain(nowMs: number): void {
    this.nowMs = nowMs;
    this.again = true;
    this.askedSignature = null;
    this.possession = 'unasked';
    this.grant = null;
    this.accepted = false;
    this.retiring = false;
    this.authenticationCode = null;
    this.tokenShown = 'unasked';
    this.opened = null;
    this.token = null;
    this.wants = null;
    this.rates.length = 0;
    this.missingScope = null;
  }
}
