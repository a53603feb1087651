import {
  type CompiledCheck,
  type CompiledRoute,
  canonicalTarget,
  changedPath,
  formatRate,
  type Plan,
  REFUSALS,
  type RefusalCode,
  routingPath,
} from '@fluxgate/policy';
import type { RouteTest } from '@fluxgate/protocol/admin';
import { upstreamOf } from './route-view.ts';

type Step = RouteTest['steps'][number];
const refusalOf = (code: RefusalCode, detail: string): RouteTest['refusal'] => ({ code, status: REFUSALS[code].status, detail });

/** A path, or an absolute URL whose host counts unless another is given. */
function partsOf(url: string, host: string | null): { readonly target: string; readonly host: string } {
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url);
  const authority = host ?? absolute?.[1] ?? '';
  const rest = absolute === null ? url : (absolute[2] ?? '');
  const target = rest === '' ? '/' : rest.startsWith('?') ? `/${rest}` : rest;
  return { target, host: authority.replace(/^.*@/, '').replace(/:\d*$/, '').toLowerCase() };
}

function tokenDetail({ rules, algorithms }: Extract<CompiledCheck, { kind: 'jwt' }>): string {
  const scopes = rules.requiredScopes.length === 0 ? '' : ` with ${rules.requiredScopes.join(' ')}`;
  return `a bearer token of ${rules.issuer} for ${[...rules.audience].join(' or ')}${scopes} (${[...algorithms].join(', ')})`;
}

function stepOf(check: CompiledCheck): Step[] {
  switch (check.kind) {
    case 'all':
      return check.of.flatMap(stepOf);
    case 'any':
      return [
        {
          stage: 'any_of',
          verdict: 'needs',
          detail: check.of
            .flatMap(stepOf)
            .map(({ detail }) => detail)
            .join('; or '),
        },
      ];
    case 'api_key': {
      const scopes = check.scopes.length === 0 ? '' : ` with ${check.scopes.join(' ')}`;
      const query = check.queryParameter === null ? '' : ` (header, or query parameter ${check.queryParameter})`;
      const what = check.signature === undefined ? 'an API key' : 'a signature (RFC 9421) by an API key';
      return [
        { stage: 'authenticate', verdict: 'needs', detail: `${what}${scopes}${check.signature === undefined ? query : ''}` },
      ];
    }
    case 'jwt':
      return [{ stage: 'authenticate', verdict: 'needs', detail: tokenDetail(check) }];
    case 'unenforceable': {
      const detail =
        check.what === 'nothing'
          ? 'the route has no authentication and is not `auth: none`'
          : `this version does not enforce ${check.what}`;
      return [{ stage: 'authenticate', verdict: 'refuse', detail }];
    }
    case 'ip_allow':
      return [{ stage: 'address', verdict: 'needs', detail: `an allowed address (${check.cidrs.size} ranges)` }];
    case 'rate_limit':
      return [
        { stage: 'limit', verdict: 'needs', detail: `at most ${formatRate(check.rate)} by ${check.by}, burst ${check.burst}` },
      ];
    default:
      // A check that a later version of policy brings: named, not passed over.
      return [{ stage: 'check', verdict: 'needs', detail: (check as { readonly kind: string }).kind }];
  }
}

export interface Explained extends RouteTest {
  readonly compiled: CompiledRoute | null;
}

/** What a node does with this request, as far as it can be said without its credential. */
export function explainRequest(plan: Plan, method: string, url: string, givenHost: string | null): Explained {
  const { target, host } = partsOf(url, givenHost);
  const base = { method, url, canonicalPath: null, route: null, upstream: null, others: [], compiled: null };
  const canonical = canonicalTarget(target);
  if (!canonical.ok) {
    return {
      ...base,
      refusal: refusalOf(canonical.code, canonical.why),
      steps: [{ stage: 'target', verdict: 'refuse', detail: canonical.why }],
    };
  }
  const { match, others } = plan.explain(host, canonical.path, method);
  const lost = others.map(({ route, why }) => ({ route: route.name, why }));
  const found = { ...base, canonicalPath: canonical.path, others: lost };
  const read: Step = { stage: 'target', verdict: 'pass', detail: `${canonical.path}, routed as ${routingPath(canonical.path)}` };
  if (match.route === undefined) {
    const detail = match.allow === undefined ? 'no route has a prefix of this path' : `the route takes ${match.allow}`;
    return { ...found, refusal: refusalOf(match.refusal, detail), steps: [read, { stage: 'match', verdict: 'refuse', detail }] };
  }
  const { route } = match;
  const steps: Step[] = [read, { stage: 'match', verdict: 'pass', detail: `route ${route.name} (${route.spec.prefix})` }];
  if (route.check === null) steps.push({ stage: 'authenticate', verdict: 'skip', detail: 'auth: none, the route is open' });
  else steps.push(...stepOf(route.check));
  const change = route.requestTransform?.path ?? null;
  const as = change === null ? '' : ` as ${changedPath(canonical.path, change)}`;
  if (route.refuses === null) steps.push({ stage: 'forward', verdict: 'pass', detail: `to ${upstreamOf(route)}${as}` });
  else steps.push({ stage: 'forward', verdict: 'refuse', detail: REFUSALS[route.refuses].sentence });
  return {
    ...found,
    route: route.name,
    upstream: upstreamOf(route),
    refusal: route.refuses === null ? null : refusalOf(route.refuses, REFUSALS[route.refuses].sentence),
    steps,
    compiled: route,
  };
}
