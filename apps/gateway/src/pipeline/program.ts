import {
  type CidrSet,
  type CompiledCheck,
  type CompiledRoute,
  type Plan,
  type Rate,
  rateLimitPolicy,
  type SignatureSpec,
  type TokenProvider,
  type TokenRules,
} from '@fluxgate/policy';

/** What a route asks of a request. Made once per plan. */
export interface RouteProgram {
  /** null: the route is open (`auth: none`) and asks nothing. */
  readonly check: Check | null;
  /** Query parameters that may carry a key here; cut out of every target that goes upstream. */
  readonly queryParameters: readonly string[];
  /** Credentials that some way through the checks takes: what a 401 tells the caller to bring. */
  readonly takesKeys: boolean;
  readonly takesTokens: boolean;
  /** What a signature must cover where one is asked for; null: nowhere on the route. */
  readonly signature: SignatureSpec | null;
}

export interface TokenCheck {
  readonly kind: 'jwt';
  readonly provider: TokenProvider;
  readonly algorithms: ReadonlySet<string>;
  readonly rules: TokenRules;
}

export interface KeyCheck {
  readonly kind: 'api_key';
  readonly scopes: readonly string[];
  readonly queryParameter: string | null;
  /** null: the key itself is enough. */
  readonly signature: SignatureSpec | null;
}

export interface RateCheck {
  readonly kind: 'rate_limit';
  readonly id: number;
  readonly rate: Rate;
  readonly burst: number;
  readonly by: 'key' | 'address';
  readonly header: LimitHeader;
}

export type Check =
  | { readonly kind: 'all'; readonly of: readonly Check[] }
  /** `mixed`: keys and tokens stand side by side. */
  | { readonly kind: 'any'; readonly of: readonly Check[]; readonly mixed: boolean }
  | KeyCheck
  | TokenCheck
  | { readonly kind: 'unenforceable'; readonly what: string }
  | { readonly kind: 'ip_allow'; readonly cidrs: CidrSet; readonly vpcEndpoints: ReadonlySet<string> }
  | RateCheck;

/** The unchanging parts of `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers, RFC 9651 syntax). */
export interface LimitHeader {
  /** `"name"` */
  readonly item: string;
  /** `"name";q=100;w=60` */
  readonly policy: string;
}

export function limitHeader(name: string, limit: number, windowMs: number): LimitHeader {
  const policy = rateLimitPolicy([{ name, limit, windowMs }]);
  return { item: policy.slice(0, policy.lastIndexOf('";') + 1), policy };
}

export interface Programs {
  readonly routes: readonly RouteProgram[];
  /** Some route takes keys in the query, so a Referer may hold one. */
  readonly anyQueryKeys: boolean;
}

export function compilePrograms(plan: Plan): Programs {
  const routes: RouteProgram[] = [];
  for (const route of plan.routes) routes[route.index] = compileProgram(route, plan);
  return { routes, anyQueryKeys: routes.some((program) => program.queryParameters.length > 0) };
}

function compileProgram(route: CompiledRoute, plan: Plan): RouteProgram {
  const check = route.check === null ? null : readied(route.check, plan);
  const queryParameters = new Set<string>();
  collectQueryParameters(check, queryParameters);
  const all = check === null ? [] : leaves(check);
  const keys = all.filter((one) => one.kind === 'api_key');
  return {
    check,
    queryParameters: [...queryParameters],
    takesKeys: keys.some((one) => one.signature === null),
    takesTokens: all.some((one) => one.kind === 'jwt'),
    signature: keys.find((one) => one.signature !== null)?.signature ?? null,
  };
}

/** The policy's checks, which are already in order (cheap refusals first), with the unchanging parts of their headers. */
function readied(check: CompiledCheck, plan: Plan): Check {
  switch (check.kind) {
    case 'all':
      return { kind: 'all', of: check.of.map((inner) => readied(inner, plan)) };
    case 'any': {
      const of = check.of.map((inner) => readied(inner, plan));
      const mixed = of.some((inner) => inner.kind === 'api_key') && of.some((inner) => inner.kind === 'jwt');
      return { kind: 'any', of, mixed };
    }
    case 'jwt': {
      const provider = plan.providers[check.provider];
      if (provider === undefined) return { kind: 'unenforceable', what: 'jwt' };
      return { kind: 'jwt', provider, algorithms: check.algorithms, rules: check.rules };
    }
    case 'api_key':
      return {
        kind: 'api_key',
        scopes: check.scopes,
        queryParameter: check.queryParameter,
        signature: check.signature ?? null,
      };
    case 'unenforceable':
      return { kind: 'unenforceable', what: check.what };
    case 'ip_allow':
      return { kind: 'ip_allow', cidrs: check.cidrs, vpcEndpoints: new Set(check.vpcEndpoints) };
    case 'rate_limit': {
      const header = limitHeader(check.by === 'key' ? 'route' : 'address', check.rate.limit, check.rate.perMs);
      return { kind: 'rate_limit', id: check.id, rate: check.rate, burst: check.burst, by: check.by, header };
    }
  }
}

const leaves = (check: Check): Check[] => (check.kind === 'all' || check.kind === 'any' ? check.of.flatMap(leaves) : [check]);

function collectQueryParameters(check: Check | null, into: Set<string>): void {
  if (check === null) return;
  if (check.kind === 'all' || check.kind === 'any') for (const inner of check.of) collectQueryParameters(inner, into);
  else if (check.kind === 'api_key' && check.queryParameter !== null) into.add(check.queryParameter);
}
