import { type CidrSet, compileCidrs, parseCidr } from '../access/cidr.ts';
import { type CompiledEdges, compileEdges } from '../edges/compile.ts';
import type { ApiKeySettings, Rate, RealmConfig, RouteSpec, Settings } from '../model.ts';
import type { RefusalCode } from '../refusals.ts';
import { buildRouteTable, type RouteExplanation, type RouteMatch } from '../routing/table.ts';
import { canonicalPrefix } from '../routing/target.ts';
import { type CompiledCheck, compileAccess, inheritedAuthentication, LimitIds } from './checks.ts';
import { identityHeadersOf, isIdentityHeader } from './identity.ts';
import { Providers, type TokenProvider } from './providers.ts';
import { type CompiledTemplate, compileTemplate } from './template.ts';
import { type CompiledUpstream, compileUpstream, DEFAULT_UPSTREAM } from './upstream.ts';

export interface CompiledRoute extends CompiledEdges {
  readonly index: number;
  readonly name: string;
  readonly spec: RouteSpec;
  /** What the route answers (503) to a caller who passed its checks, instead of forwarding; null: it forwards. */
  readonly refuses: RefusalCode | null;
  /** null: open, nothing to run. */
  readonly check: CompiledCheck | null;
  readonly upstream: CompiledUpstream | null;
  /** False only for `auth: none`. */
  readonly needsAuth: boolean;
}

export interface CompiledTier {
  /** Like the id of a rate limit: unique in the plan, stable over recompiles. */
  readonly id: number;
  readonly name: string;
  readonly rate: Rate;
  /** A tier lets a whole period's worth through at once. */
  readonly burst: number;
}

export type CompiledApiKey = ApiKeySettings & {
  /** Lower-case name of the header that carries the key. */
  readonly headerLower: string;
  readonly errorTemplate: CompiledTemplate;
};

/** Requests of one client address before anything is authenticated. */
export interface AddressLimit {
  /** Like the id of a rate limit. */
  readonly id: number;
  readonly rate: Rate;
  readonly burst: number;
}

/** What a request meets. Frozen; replaced as a whole when a revision arrives. */
export interface Plan {
  readonly settings: Settings;
  readonly trustedProxies: CidrSet;
  /** null: nothing asks for an API key. */
  readonly apiKey: CompiledApiKey | null;
  readonly routes: readonly CompiledRoute[];
  readonly upstreams: readonly CompiledUpstream[];
  /** null: none. */
  readonly addressLimit: AddressLimit | null;
  /** Some route answers preflights. */
  readonly anyCors: boolean;
  /** Issuers whose key sets the node must hold; checks name them by index. */
  readonly providers: readonly TokenProvider[];
  match(host: string, path: string, method: string): RouteMatch<CompiledRoute>;
  explain(host: string, path: string, method: string): RouteExplanation<CompiledRoute>;
  /** The first tier whose scope is held; null: no tier limit. */
  tierOf(scopes: readonly string[]): CompiledTier | null;
  /** Normalised names (lower case, `_` as `-`); `isIdentityHeader` also knows the prefix. */
  readonly identityHeaders: ReadonlySet<string>;
  /** A client's field that must not reach an upstream. Takes any spelling. */
  isIdentityHeader(name: string): boolean;
}

/** A route may ask for API keys without any `fluxgate.auth.api_key` block; then this holds. Not enabled: nothing inherits it. */
export const DEFAULT_API_KEY_SETTINGS: ApiKeySettings = Object.freeze({
  enabled: false,
  headerName: 'X-FluxGate-API-Key',
  vaultPath: 'secret/data/api-keys',
  maxAgeMs: 90 * 86_400_000,
  maxRequests: null,
  fallbackAction: 'reject',
  errorResponse: Object.freeze({ status: 401, body: '{"error":"invalid_api_key","trace_id":"{{.TraceID}}"}' }),
  onAuthorityLoss: 'deny',
});

function asksForKeys(check: CompiledCheck | null): boolean {
  if (check === null) return false;
  if (check.kind === 'all' || check.kind === 'any') return check.of.some(asksForKeys);
  return check.kind === 'api_key';
}

/**
 * Never throws on a configuration that `judgeConfig` would refuse: what cannot be understood is closed (a bad range allows
 * nobody, a bad target is left out, a route without authentication answers 503), so that one bad entity stops no node.
 */
export function compilePlan(config: RealmConfig): Plan {
  const ids = new LimitIds();
  const providers = new Providers();
  const upstreams = new Map<string, CompiledUpstream>();
  for (const spec of config.upstreams) {
    const compiled = compileUpstream(spec);
    if (compiled !== null) upstreams.set(spec.name, compiled);
  }
  const upstreamOf = (route: RouteSpec): CompiledUpstream | null => {
    if (route.upstream === null) return null;
    if ('name' in route.upstream) return upstreams.get(route.upstream.name) ?? null;
    const { url } = route.upstream;
    const known = upstreams.get(url);
    if (known !== undefined) return known;
    const compiled = compileUpstream({ ...DEFAULT_UPSTREAM, name: url, targets: [{ url, weight: 1 }] });
    if (compiled !== null) upstreams.set(url, compiled); // routes with the same URL share its connections
    return compiled;
  };

  const inherited = inheritedAuthentication(config);
  const owned = identityHeadersOf(config, config.settings.apiKey?.headerName ?? null);
  const isOwned = (name: string): boolean => isIdentityHeader(name, owned);
  const { limits } = config.settings;
  const routes = config.routes.map((spec, index): CompiledRoute => {
    const access = compileAccess(spec, inherited, config.settings.publicUrl, ids, providers);
    const upstream = upstreamOf(spec);
    const refuses = access.refuses ?? (upstream === null ? 'no_upstream' : null);
    return Object.freeze({
      index,
      name: spec.name,
      spec,
      refuses,
      check: access.check,
      upstream,
      needsAuth: access.needsAuth,
      ...compileEdges(spec, limits, isOwned),
    });
  });
  const table = buildRouteTable(
    routes.flatMap((route) => {
      const prefix = canonicalPrefix(route.spec.prefix);
      // A prefix that no canonical path can have is unreachable.
      return prefix.ok ? [{ key: { ...route.spec, prefix: prefix.path }, route }] : [];
    }),
  );

  const tiers = config.tiers.map((tier) => ({
    scope: tier.scope,
    tier: Object.freeze({
      id: ids.take(`tier:${tier.name}`),
      name: tier.name,
      rate: Object.freeze({ ...tier.rate }),
      burst: Math.max(1, tier.rate.limit),
    }),
  }));
  const tierOf = (scopes: readonly string[]): CompiledTier | null => {
    for (const one of tiers) if (scopes.includes(one.scope)) return one.tier;
    return null;
  };

  const wanted = config.settings.apiKey ?? (routes.some((route) => asksForKeys(route.check)) ? DEFAULT_API_KEY_SETTINGS : null);
  const apiKey: CompiledApiKey | null =
    wanted === null
      ? null
      : Object.freeze({
          ...wanted,
          headerLower: wanted.headerName.toLowerCase(),
          errorTemplate: compileTemplate(wanted.errorResponse.body),
        });
  const identityHeaders = identityHeadersOf(config, apiKey?.headerName ?? null);

  return Object.freeze({
    settings: config.settings,
    trustedProxies: compileCidrs(config.settings.trustedProxies.flatMap((text) => parseCidr(text) ?? [])),
    apiKey,
    routes: Object.freeze(routes),
    upstreams: Object.freeze([...upstreams.values()]),
    addressLimit:
      limits?.address == null
        ? null
        : Object.freeze({
            id: ids.take('limits:address'),
            rate: Object.freeze({ ...limits.address.rate }),
            burst: Math.max(1, limits.address.burst),
          }),
    anyCors: routes.some((route) => route.cors !== null),
    providers: providers.list(),
    match: table.match,
    explain: table.explain,
    tierOf,
    identityHeaders,
    isIdentityHeader: (name: string) => isIdentityHeader(name, identityHeaders),
  });
}
