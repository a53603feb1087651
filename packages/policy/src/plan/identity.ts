import type { Middleware, RealmConfig } from '../model.ts';

/** Header names as an upstream may read them: servers of the CGI family take `_`, `.` and other marks for `-`, and case for none. */
export function normaliseHeaderName(name: string): string {
  return name.toLowerCase().replace(/[^0-9a-z]/g, '-');
}

/** What FluxGate tells upstreams about the caller. */
export const IDENTITY_HEADERS = Object.freeze([
  'X-FluxGate-Principal',
  'X-FluxGate-Key-Id',
  'X-FluxGate-Owner',
  'X-FluxGate-Scopes',
] as const);
const OWN_PREFIX = 'x-fluxgate-';

function claimTargets(middleware: readonly Middleware[], into: Set<string>): void {
  for (const one of middleware) {
    if (one.kind === 'jwt') for (const name of Object.values(one.jwt.claimsToHeaders)) into.add(normaliseHeaderName(name));
    else if (one.kind === 'any_of') claimTargets(one.of, into);
  }
}

/** Normalised names of every field that only FluxGate may set towards an upstream, on any route. */
export function identityHeadersOf(config: RealmConfig, apiKeyHeader: string | null): ReadonlySet<string> {
  const names = new Set<string>(IDENTITY_HEADERS.map(normaliseHeaderName));
  if (apiKeyHeader !== null) names.add(normaliseHeaderName(apiKeyHeader));
  for (const name of Object.values(config.settings.jwt?.claimsToHeaders ?? {})) names.add(normaliseHeaderName(name));
  for (const route of config.routes) claimTargets(route.middleware, names);
  return names;
}

/** A client's field that must not reach an upstream: one of `names`, or anything beginning with `x-fluxgate-`. */
export function isIdentityHeader(name: string, names: ReadonlySet<string>): boolean {
  const normalised = normaliseHeaderName(name);
  return normalised.startsWith(OWN_PREFIX) || names.has(normalised);
}
