import { type Address, missingScope } from '@fluxgate/policy';
import type { RateCounters } from '../memory/ports.ts';
import type { TokenPort } from '../tokens/ports.ts';
import { authenticate, type KeyRoom } from './authenticate.ts';
import { addressSubject } from './edges.ts';
import type { Exchange, RefusalOrPass } from './exchange.ts';
import type { CompiledGrant } from './grants.ts';
import { judgeToken } from './judgeToken.ts';
import { takeRate } from './limit.ts';
import type { Check, KeyCheck } from './program.ts';
import { authenticateSigned } from './signed.ts';

type AnyCheck = Extract<Check, { readonly kind: 'any' }>;

/**
 * Walks the checks of a route. `all` stops at the first refusal; `any` takes the first alternative that passes and, when
 * none does, gives the refusal that tells most (`weight`). Limits by key are only collected here: they are taken when it is
 * settled that the request may pass otherwise, so that a refused request uses up nobody's rate.
 */
export function judge(
  x: Exchange,
  check: Check,
  room: KeyRoom,
  counters: RateCounters,
  tokens: TokenPort | null = null,
): RefusalOrPass {
  switch (check.kind) {
    case 'all': {
      for (const inner of check.of) {
        const refusal = judge(x, inner, room, counters, tokens);
        if (refusal !== null) return refusal;
      }
      return null;
    }
    case 'any':
      return judgeAny(x, check, (inner) => judge(x, inner, room, counters, tokens));
    case 'jwt':
      return judgeToken(x, check, tokens);
    case 'api_key':
      return judgeKey(x, check, room);
    case 'unenforceable':
      x.because =
        check.what === 'nothing'
          ? 'no authentication is configured for the route'
          : `this version cannot check ${check.what} yet`;
      return 'not_enforceable';
    case 'ip_allow':
      if (check.cidrs.has(x.facts.client)) return null;
      if (x.facts.vpcEndpoint !== null && check.vpcEndpoints.has(x.facts.vpcEndpoint)) return null;
      x.because = `${x.facts.clientText} is outside the networks of the route`;
      return 'address_not_allowed';
    case 'rate_limit':
      // Counted before the request had to wait for a key of its issuer.
      if (check.by === 'address' && x.again) return null;
      if (check.by === 'address') return takeRate(x, check, addressSubject(x.facts), counters);
      x.rates.push(check);
      return null;
  }
}

/**
 * The first alternative that passes is enough, but for one thing: where keys and tokens stand side by side and the request
 * shows both, both must be good. Else a caller could pass by his key and send a forged token on to an upstream that believes
 * what comes through here.
 */
function judgeAny(x: Exchange, check: AnyCheck, run: (inner: Check) => RefusalOrPass): RefusalOrPass {
  let told: Told | null = null;
  let toldOfKey: Told | null = null;
  let toldOfToken: Told | null = null;
  let passed = false;
  for (const alternative of check.of) {
    if (passed && isSettled(x, alternative)) continue;
    const rates = x.rates.length;
    const { accepted, token } = x;
    const refusal = run(alternative);
    // A contradiction is no alternative.
    if (refusal === 'doubled_credential') return refusal;
    if (refusal === null) {
      if (!check.mixed) return null;
      passed = true;
      continue;
    }
    // What a failed alternative found out must not count for the next.
    x.rates.length = rates;
    x.accepted = accepted;
    x.token = token;
    const now: Told = { code: refusal, because: x.because, by: x.refusedBy };
    told = heavier(told, now);
    if (alternative.kind === 'api_key') toldOfKey = heavier(toldOfKey, now);
    else if (alternative.kind === 'jwt') toldOfToken = heavier(toldOfToken, now);
  }
  if (passed) told = contradiction(x, toldOfKey, toldOfToken);
  if (passed && told === null) return null;
  x.because = told?.because ?? '';
  x.refusedBy = told?.by ?? x.refusedBy;
  // No alternatives at all: nothing can pass, and nothing that cannot be understood lets a request through.
  return told?.code ?? 'not_enforceable';
}

interface Told {
  readonly code: Exclude<RefusalOrPass, null>;
  readonly because: string;
  readonly by: Exchange['refusedBy'];
}

const heavier = (one: Told | null, other: Told): Told => (one === null || weight(other.code) > weight(one.code) ? other : one);

/** After one way has passed, only a credential of the other kind is still of interest. */
function isSettled(x: Exchange, alternative: Check): boolean {
  if (alternative.kind === 'api_key') return x.accepted;
  return alternative.kind !== 'jwt' || x.token !== null;
}

/** A way has passed: is the other credential that the request shows a bad one? One that is good and may do less is not. */
function contradiction(x: Exchange, ofKey: Told | null, ofToken: Told | null): Told | null {
  const isBad = (told: Told | null): boolean => told !== null && weight(told.code) !== MAY_LESS;
  if (x.token === null && (x.tokenShown === 'shown' || x.tokenShown === 'malformed') && isBad(ofToken)) return ofToken;
  return !x.accepted && x.keyShown && isBad(ofKey) ? ofKey : null;
}

const MAY_LESS = 3;

/** Which of several refusals the client is told: what we could not judge (an outage is no 401), then 403 and 429, then a proven 401. */
function weight(code: Exclude<RefusalOrPass, null>): number {
  switch (code) {
    case 'validation_unavailable':
    case 'not_enforceable':
    case 'keys_unavailable':
      return 4;
    case 'insufficient_scope':
    case 'address_not_allowed':
    case 'route_not_permitted':
    case 'rate_limited':
      return MAY_LESS;
    case 'invalid_api_key':
    case 'signature_missing':
      return 1;
    case 'missing_token':
      return 0;
    default:
      return 2;
  }
}

function judgeKey(x: Exchange, check: KeyCheck, room: KeyRoom): RefusalOrPass {
  const { scopes, queryParameter, signature } = check;
  x.refusedBy = 'key';
  const refusal =
    signature === null ? authenticate(x, room, queryParameter) : authenticateSigned(x, room, signature, queryParameter);
  const grant = x.grant;
  if (refusal !== null || grant === null) return refusal ?? 'validation_unavailable';
  const code = judgeGrant(grant, x.facts.client, x.route?.name ?? null, scopes);
  if (code === null) {
    x.accepted = true;
    return null;
  }
  if (code === 'address_not_allowed') x.because = `${x.facts.clientText} is outside the networks of the key`;
  else if (code === 'route_not_permitted') x.because = `the key is not meant for route ${x.route?.name}`;
  else {
    x.missingScope = missingScope(scopes, grant.scopes);
    x.because = `scope ${x.missingScope} is missing`;
  }
  return code;
}

/** What a live key permits: the same rules for a new request and for one that lasts. */
export function judgeGrant(
  grant: CompiledGrant,
  client: Address,
  route: string | null,
  scopes: readonly string[],
): 'address_not_allowed' | 'route_not_permitted' | 'insufficient_scope' | null {
  if (grant.cidrs !== null && !grant.cidrs.has(client)) return 'address_not_allowed';
  if (grant.routes !== null && route !== null && !grant.routes.has(route)) return 'route_not_permitted';
  return scopes.length > 0 && missingScope(scopes, grant.scopes) !== null ? 'insufficient_scope' : null;
}
