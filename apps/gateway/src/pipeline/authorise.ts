import { missingScope } from '@fluxgate/policy';
import type { RateCounters } from '../memory/ports.ts';
import { authenticate, type KeyRoom } from './authenticate.ts';
import type { Exchange, RefusalOrPass } from './exchange.ts';
import { takeRate } from './limit.ts';
import type { Check } from './program.ts';

/**
 * Walks the checks of a route. `all` stops at the first refusal; `any` takes the first alternative that passes and, when
 * none does, gives the refusal that tells most (`weight`). Limits by key are only collected here: they are taken when it is
 * settled that the request may pass otherwise, so that a refused request uses up nobody's rate.
 */
export function judge(x: Exchange, check: Check, room: KeyRoom, counters: RateCounters): RefusalOrPass {
  switch (check.kind) {
    case 'all': {
      for (const inner of check.of) {
        const refusal = judge(x, inner, room, counters);
        if (refusal !== null) return refusal;
      }
      return null;
    }
    case 'any':
      return judgeAny(x, check.of, room, counters);
    case 'api_key':
      return judgeKey(x, check.scopes, check.queryParameter, room);
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
      if (check.by === 'address') return takeRate(x, check, x.facts.clientText, counters);
      x.rates.push(check);
      return null;
  }
}

function judgeAny(x: Exchange, alternatives: readonly Check[], room: KeyRoom, counters: RateCounters): RefusalOrPass {
  let told: RefusalOrPass = null;
  let because = '';
  const rates = x.rates.length;
  const accepted = x.accepted;
  for (const alternative of alternatives) {
    const refusal = judge(x, alternative, room, counters);
    // A contradiction is no alternative.
    if (refusal === null || refusal === 'doubled_credential') return refusal;
    // What a failed alternative found out must not count for the next.
    x.rates.length = rates;
    x.accepted = accepted;
    if (told === null || weight(refusal) > weight(told)) {
      told = refusal;
      because = x.because;
    }
  }
  x.because = because;
  // No alternatives at all: nothing can pass, and nothing that cannot be understood lets a request through.
  return told ?? 'not_enforceable';
}

/** Which of several refusals the client is told: what we could not judge (an outage is no 401), then 403 and 429, then a proven 401. */
function weight(code: Exclude<RefusalOrPass, null>): number {
  switch (code) {
    case 'validation_unavailable':
    case 'not_enforceable':
      return 4;
    case 'insufficient_scope':
    case 'address_not_allowed':
    case 'route_not_permitted':
    case 'rate_limited':
      return 3;
    case 'invalid_api_key':
      return 1;
    default:
      return 2;
  }
}

function judgeKey(x: Exchange, scopes: readonly string[], queryParameter: string | null, room: KeyRoom): RefusalOrPass {
  const refusal = authenticate(x, room, queryParameter);
  const grant = x.grant;
  if (refusal !== null || grant === null) return refusal ?? 'validation_unavailable';
  if (grant.cidrs !== null && !grant.cidrs.has(x.facts.client)) {
    x.because = `${x.facts.clientText} is outside the networks of the key`;
    return 'address_not_allowed';
  }
  if (grant.routes !== null && x.route !== null && !grant.routes.has(x.route.name)) {
    x.because = `the key is not meant for route ${x.route.name}`;
    return 'route_not_permitted';
  }
  const missing = scopes.length === 0 ? null : missingScope(scopes, grant.scopes);
  if (missing !== null) {
    x.missingScope = missing;
    x.because = `scope ${missing} is missing`;
    return 'insufficient_scope';
  }
  x.accepted = true;
  return null;
}
