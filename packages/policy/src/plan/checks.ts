import { type CidrSet, compileCidrs, parseCidr } from '../access/cidr.ts';
import type { JwtSettings, Middleware, OnAuthorityLoss, Rate, RealmConfig, RouteSpec } from '../model.ts';
import type { SignatureSpec } from '../signatures/rules.ts';
import { algorithmOf } from '../tokens/algorithms.ts';
import { compileTokenRules, type TokenRules } from '../tokens/claims.ts';
import { isTokenPreset, TOKEN_PRESETS } from '../tokens/scopes.ts';
import type { Providers } from './providers.ts';

/** What a route asks of a request, ready to run. */
export type CompiledCheck =
  | { readonly kind: 'all'; readonly of: readonly CompiledCheck[] }
  | { readonly kind: 'any'; readonly of: readonly CompiledCheck[] }
  | {
      readonly kind: 'api_key';
      readonly scopes: readonly string[];
      readonly queryParameter: string | null;
      readonly signature?: SignatureSpec;
    }
  /** A bearer token of one issuer. `provider`: index into `Plan.providers`. `algorithms`: what this check believes, never what the token says. */
  | { readonly kind: 'jwt'; readonly provider: number; readonly algorithms: ReadonlySet<string>; readonly rules: TokenRules }
  /** 503 `code`, unless an alternative beside it passes. `nothing`: a route without any authentication that is not `auth: none`. */
  | {
      readonly kind: 'unenforceable';
      readonly what: 'jwt' | 'oauth2' | 'nothing';
      /** `public_url_missing`: its callback URL could not be built, so it would be refused even where oauth2 is enforced. */
      readonly code: 'not_enforceable' | 'public_url_missing';
    }
  | { readonly kind: 'ip_allow'; readonly cidrs: CidrSet; readonly vpcEndpoints: readonly string[] }
  | {
      readonly kind: 'rate_limit';
      /** Unsigned 32 bits, unique in the plan; the same for an unchanged route after a recompile, so that counters live on. */
      readonly id: number;
      readonly rate: Rate;
      readonly burst: number;
      readonly by: 'key' | 'address';
      readonly onAuthorityLoss: OnAuthorityLoss;
    };

/** Establishes who is calling. An `any_of` does only if every alternative does. */
export function authenticates(one: Middleware): boolean {
  if (one.kind === 'any_of') return one.of.length > 0 && one.of.every(authenticates);
  return one.kind === 'api_key' || one.kind === 'jwt' || one.kind === 'oauth2';
}

/** The enabled global blocks as a middleware; null if there is none. */
export function inheritedAuthentication(config: RealmConfig): Middleware | null {
  const { apiKey, jwt, oauth2 } = config.settings;
  const of: Middleware[] = [];
  if (apiKey?.enabled === true) of.push({ kind: 'api_key', scopes: [], queryParameter: null });
  if (jwt?.enabled === true) of.push({ kind: 'jwt', jwt });
  if (oauth2?.enabled === true) of.push({ kind: 'oauth2', oauth2 });
  return of.length > 1 ? { kind: 'any_of', of } : (of[0] ?? null);
}

/** FNV-1a, 32 bits, over UTF-16 units: stable names for limits, no security in it. */
export function stableId(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ (text.charCodeAt(i) & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (text.charCodeAt(i) >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

/** Hands out ids; the rare clash moves on to the next free number. 0 is never given. */
export class LimitIds {
  readonly #taken = new Set<number>();
  take(text: string): number {
    let id = stableId(text);
    while (id === 0 || this.#taken.has(id)) id = (id + 1) >>> 0;
    this.#taken.add(id);
    return id;
  }
}

/** What a middleware is compiled in: the same for all of a route. */
interface Surroundings {
  /** Nobody is identified on this route. */
  readonly open: boolean;
  readonly publicUrl: string | null;
  readonly ids: LimitIds;
  readonly providers: Providers;
}

/** Closed where it cannot be understood: without an issuer anybody's token would do, without an algorithm nobody's. */
function compileJwt(jwt: JwtSettings, providers: Providers): CompiledCheck {
  const algorithms = new Set(jwt.algorithms.filter((name) => algorithmOf(name) !== null));
  if (jwt.issuer === null || jwt.audience.length === 0 || algorithms.size === 0 || !isTokenPreset(jwt.preset))
    return Object.freeze({ kind: 'unenforceable', what: 'jwt', code: 'not_enforceable' });
  const provider = providers.take(jwt.issuer, jwt.jwksUri, jwt.cacheTtlMs);
  const rules = compileTokenRules({ ...jwt, issuer: jwt.issuer }, TOKEN_PRESETS[jwt.preset]);
  return Object.freeze({ kind: 'jwt', provider, algorithms, rules });
}

/** What cannot be covered by any signature is asked of every signature all the same: then none passes, rather than all. */
function compileApiKey(one: Extract<Middleware, { kind: 'api_key' }>): CompiledCheck {
  const check = { kind: 'api_key', scopes: Object.freeze([...one.scopes]), queryParameter: one.queryParameter } as const;
  if (one.signature === undefined) return Object.freeze(check);
  const { maxAgeMs, covers } = one.signature;
  return Object.freeze({ ...check, signature: Object.freeze({ maxAgeMs, covers: Object.freeze([...covers]) }) });
}

function compileOne(one: Middleware, place: string, around: Surroundings): CompiledCheck {
  switch (one.kind) {
    case 'api_key':
      return compileApiKey(one);
    case 'jwt':
      return compileJwt(one.jwt, around.providers);
    case 'oauth2': {
      const noCallback = one.oauth2.redirectUri === null && around.publicUrl === null;
      return Object.freeze({
        kind: 'unenforceable',
        what: 'oauth2',
        code: noCallback ? 'public_url_missing' : 'not_enforceable',
      });
    }
    case 'ip_allow':
      return Object.freeze({
        kind: 'ip_allow',
        // A range that cannot be read allows nobody rather than everybody.
        cidrs: compileCidrs(one.cidrs.flatMap((text) => parseCidr(text) ?? [])),
        vpcEndpoints: Object.freeze([...one.vpcEndpoints]),
      });
    case 'rate_limit':
      return Object.freeze({
        kind: 'rate_limit',
        id: around.ids.take(place),
        rate: Object.freeze({ ...one.rate }),
        burst: Math.max(1, one.burst),
        // Without authentication there is no key to count by.
        by: around.open ? 'address' : one.by,
        onAuthorityLoss: one.onAuthorityLoss,
      });
    case 'any_of':
      return Object.freeze({
        kind: 'any',
        of: Object.freeze(one.of.map((each, i) => compileOne(each, `${place}.${i}`, around))),
      });
  }
}

/** Cheap refusals first: address list, limit by address, then who it is, then what is counted by who it is. */
function rank(check: CompiledCheck): number {
  if (check.kind === 'ip_allow') return 0;
  if (check.kind === 'rate_limit') return check.by === 'address' ? 1 : 3;
  return 2;
}

export interface CompiledAccess {
  readonly check: CompiledCheck | null;
  readonly needsAuth: boolean;
  /** Set if no request can pass, because every way leads through something this version does not enforce. */
  readonly refuses: 'not_enforceable' | 'public_url_missing' | null;
}

export function compileAccess(
  route: RouteSpec,
  inherited: Middleware | null,
  publicUrl: string | null,
  ids: LimitIds,
  providers: Providers,
): CompiledAccess {
  const own = route.middleware.some(authenticates);
  const open = route.auth === 'none' && !own;
  const around: Surroundings = { open, publicUrl, ids, providers };
  const checks = route.middleware.map((one, i) => compileOne(one, `route:${route.name}/${i}`, around));
  if (!open && !own) {
    checks.push(
      inherited === null
        ? Object.freeze({ kind: 'unenforceable', what: 'nothing', code: 'not_enforceable' })
        : compileOne(inherited, `route:${route.name}/inherited`, around),
    );
  }
  const sorted = checks.map((check, i) => ({ check, i })).sort((a, b) => rank(a.check) - rank(b.check) || a.i - b.i);
  const of = Object.freeze(sorted.map((one) => one.check));
  const check: CompiledCheck | null = of.length > 1 ? Object.freeze({ kind: 'all', of }) : (of[0] ?? null);
  return { check, needsAuth: !open, refuses: check === null ? null : obstacle(check) };
}

/** Why no request can pass, or null if one can. */
function obstacle(check: CompiledCheck): CompiledAccess['refuses'] {
  if (check.kind === 'unenforceable') return check.code;
  if (check.kind === 'all') return check.of.map(obstacle).find((one) => one !== null) ?? null;
  if (check.kind !== 'any') return null;
  const each = check.of.map(obstacle);
  return each.includes(null) ? null : (each[0] ?? 'not_enforceable');
}
