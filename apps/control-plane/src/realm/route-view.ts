import type { CompiledCheck, CompiledRoute } from '@fluxgate/policy';
import type { RouteView } from '@fluxgate/protocol/admin';

/** Parts of a check that say who is calling; the rest (addresses, rates) does not. */
function proves(check: CompiledCheck): string[] {
  switch (check.kind) {
    case 'all':
      return check.of.flatMap(proves);
    case 'any': {
      const ways = check.of.map((one) => proves(one).join(' and ') || one.kind);
      return [`any_of(${ways.join(', ')})`];
    }
    case 'api_key':
      return [check.signature === undefined ? 'api_key' : 'signed api_key'];
    case 'jwt':
      return [check.kind];
    case 'unenforceable':
      return check.what === 'nothing' ? [] : [check.what];
    default:
      return [];
  }
}

export function authenticationOf({ check, needsAuth }: CompiledRoute): string {
  if (!needsAuth || check === null) return 'none';
  return proves(check).join(' and ') || 'missing';
}

export function upstreamOf({ spec }: CompiledRoute): string | null {
  if (spec.upstream === null) return null;
  return 'name' in spec.upstream ? spec.upstream.name : spec.upstream.url;
}

export function routeView(route: CompiledRoute, revision: number): RouteView {
  const { spec } = route;
  return {
    name: spec.name,
    prefix: spec.prefix,
    host: spec.host,
    methods: spec.methods === null ? null : [...spec.methods],
    upstream: upstreamOf(route),
    authentication: authenticationOf(route),
    refuses: route.refuses,
    spec: JSON.parse(JSON.stringify(spec)) as Record<string, unknown>,
    labels: { ...spec.labels },
    owner: spec.owner,
    revision,
  };
}
