import { isIssuedBy, judgeClaims, missingScope, type Plan, type RefusalCode, scopesOf } from '@fluxgate/policy';
import type { KeyView } from '../memory/ports.ts';
import type { Ending, Lasting } from '../seam.ts';
import { endOf, type KeyRoom, lifeOf } from './authenticate.ts';
import { judgeGrant } from './authorise.ts';
import type { AcceptedToken } from './exchange.ts';
import type { CompiledGrant } from './grants.ts';
import type { Check, Programs } from './program.ts';

/** What lasting exchanges are judged by. */
export interface Ground {
  readonly plan: Plan;
  readonly programs: Programs;
}

/** The key of a group as it is now. `unknown`: nobody can say at the moment, which is no reason to end anything. */
export type KeyStanding =
  | { readonly state: 'none' | 'unknown' }
  | { readonly state: 'ended'; readonly refusal: RefusalCode }
  | { readonly state: 'live'; readonly grant: CompiledGrant; readonly endsMs: number };

export const NO_KEY: KeyStanding = { state: 'none' };
export const UNKNOWN_KEY: KeyStanding = { state: 'unknown' };

/** `view` null: the key was deleted. */
export function keyStanding(view: KeyView | null, room: KeyRoom, nowMs: number): KeyStanding {
  const refusal = view === null ? 'key_revoked' : lifeOf(view, nowMs);
  if (view === null || refusal !== null) return { state: 'ended', refusal: refusal ?? 'key_revoked' };
  const grant = room.grants.get(view.grant);
  return grant === null ? UNKNOWN_KEY : { state: 'live', grant, endsMs: endOf(view) };
}

/**
 * May an exchange that was let in go on? Possession was proven then and is not asked for again; rates and counts were taken then. But the
 * key and the token must live, and the route of today must still be open to them. null: it may.
 */
export function judgeStanding(one: Lasting, key: KeyStanding, ground: Ground, nowMs: number): Ending | null {
  if (key.state === 'ended') return ended(4401, key.refusal);
  const token = (one.admission.bearer ?? null) as AcceptedToken | null;
  if (token !== null && nowMs >= tokenEnd(token)) return ended(4401, 'invalid_token', 'token_expired');
  const { facts } = one;
  const found = ground.plan.match(facts.host, facts.path, facts.method);
  if (found.route === undefined) return ended(4403, found.refusal);
  const { name, upstream, refuses } = found.route;
  if (refuses !== null) return ended(4403, refuses);
  if (upstream === null) return ended(4403, 'no_upstream');
  const check = ground.programs.routes[found.route.index]?.check ?? null;
  const refusal = check === null ? null : walk(check, one, name, key, token, nowMs);
  return refusal === null ? null : ended(4403, refusal);
}

const ended = (code: Ending['code'], refusal: RefusalCode, reason: string = refusal): Ending => ({ code, refusal, reason });

/** exp and the leeway of the check that took the token, in milliseconds since 1970. */
export function tokenEnd({ claims, check }: AcceptedToken): number {
  const exp = Object.hasOwn(claims, 'exp') ? claims['exp'] : undefined;
  return typeof exp === 'number' ? Math.ceil(exp * 1000 + check.rules.clockSkewMs) : Number.POSITIVE_INFINITY;
}

function walk(
  check: Check,
  one: Lasting,
  route: string,
  key: KeyStanding,
  token: AcceptedToken | null,
  nowMs: number,
): RefusalCode | null {
  switch (check.kind) {
    case 'all':
      for (const inner of check.of) {
        const refusal = walk(inner, one, route, key, token, nowMs);
        if (refusal !== null) return refusal;
      }
      return null;
    case 'any': {
      let told: RefusalCode = 'not_enforceable';
      for (const inner of check.of) {
        const refusal = walk(inner, one, route, key, token, nowMs);
        if (refusal === null) return null;
        told = refusal;
      }
      return told;
    }
    case 'api_key':
      if (key.state === 'unknown') return null;
      return key.state === 'live' ? judgeGrant(key.grant, one.facts.client, route, check.scopes) : 'invalid_api_key';
    case 'jwt': {
      if (token === null) return 'missing_token';
      const { provider, rules, algorithms } = check;
      if (provider.id !== token.check.provider.id || !algorithms.has(token.alg) || !isIssuedBy(token.claims, rules))
        return 'invalid_token';
      if (judgeClaims(token, rules, nowMs) !== null) return 'invalid_token';
      return missingScope(rules.requiredScopes, scopesOf(token.claims, rules.scopeClaims)) === null ? null : 'insufficient_scope';
    }
    case 'ip_allow': {
      const { client, vpcEndpoint } = one.facts;
      return check.cidrs.has(client) || (vpcEndpoint !== null && check.vpcEndpoints.has(vpcEndpoint))
        ? null
        : 'address_not_allowed';
    }
    case 'unenforceable':
      return 'not_enforceable';
    case 'rate_limit':
      return null;
  }
}
