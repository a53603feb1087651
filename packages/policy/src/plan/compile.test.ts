import { expect, test } from '@jest/globals';
import { parseAddress } from '../access/address.ts';
import type { JwtSettings, Middleware, RouteSpec } from '../model.ts';
import { type CompiledCheck, LimitIds, stableId } from './checks.ts';
import { type CompiledRoute, compilePlan, DEFAULT_API_KEY_SETTINGS, type Plan } from './compile.ts';
import {
  apiKeySettings,
  byJwt,
  byKey,
  byOAuth2,
  config,
  fromOffice,
  jwtSettings,
  oauth2Settings,
  rateBy,
  route,
  settings,
  upstream,
} from './sample-config.ts';

const only = (change: Partial<RouteSpec>, plan: Parameters<typeof config>[0] = {}): CompiledRoute =>
  compilePlan(config({ ...plan, routes: [route('/a', change)] })).routes[0] as CompiledRoute;
const kinds = (check: CompiledCheck | null): unknown =>
  check === null ? null : check.kind === 'all' || check.kind === 'any' ? { [check.kind]: check.of.map(kinds) } : check.kind;
const listed = (check: CompiledCheck | null): readonly CompiledCheck[] =>
  check === null ? [] : check.kind === 'all' || check.kind === 'any' ? check.of : [check];
const limitIds = (plan: Plan): number[] => {
  const ids: number[] = [];
  const visit = (check: CompiledCheck | null): void => {
    if (check === null) return;
    if (check.kind === 'all' || check.kind === 'any') for (const each of check.of) visit(each);
    else if (check.kind === 'rate_limit') ids.push(check.id);
  };
  for (const each of plan.routes) visit(each.check);
  return ids;
};

test('a route that names no authentication inherits the global one', () => {
  expect(only({})).toMatchObject({
    check: { kind: 'api_key', scopes: [], queryParameter: null },
    needsAuth: true,
    refuses: null,
  });
  expect(kinds(only({ middleware: [fromOffice] }).check)).toEqual({ all: ['ip_allow', 'api_key'] });
});

test('of several enabled global blocks any one passes', () => {
  const several = settings({ jwt: jwtSettings(), oauth2: oauth2Settings() });
  const compiled = only({}, { settings: several });
  expect(kinds(compiled.check)).toEqual({ any: ['api_key', 'jwt', 'unenforceable'] });
  expect(compiled.refuses).toBeNull();
});

test('a block that is switched off is not inherited', () => {
  const off = settings({ jwt: jwtSettings({ enabled: false }) });
  expect(kinds(only({}, { settings: off }).check)).toBe('api_key');
  const none = only({}, { settings: settings({ apiKey: apiKeySettings({ enabled: false }) }) });
  expect(none.check).toEqual({ kind: 'unenforceable', what: 'nothing', code: 'not_enforceable' });
});

test('a route that names its own authentication inherits nothing, also when it stands inside any_of', () => {
  const withJwt = settings({ jwt: jwtSettings() });
  expect(kinds(only({ middleware: [byKey] }, { settings: withJwt }).check)).toBe('api_key');
  expect(kinds(only({ middleware: [{ kind: 'any_of', of: [byKey, byJwt] }] }, { settings: withJwt }).check)).toEqual({
    any: ['api_key', 'jwt'],
  });
});

test('an any_of that could be passed without proving an identity does not count as authentication', () => {
  const mixed: Middleware = { kind: 'any_of', of: [byKey, fromOffice] };
  const compiled = only({ middleware: [mixed] });
  expect(kinds(compiled.check)).toEqual({ all: [{ any: ['api_key', 'ip_allow'] }, 'api_key'] });
  expect(kinds(only({ middleware: [mixed], auth: 'none' }).check)).toEqual({ any: ['api_key', 'ip_allow'] });
});

test('only auth: none opens a route', () => {
  expect(only({ auth: 'none' })).toMatchObject({ check: null, needsAuth: false, refuses: null });
  expect(only({ auth: 'none', middleware: [fromOffice] })).toMatchObject({ check: { kind: 'ip_allow' }, needsAuth: false });
});

test('auth: none does not take away a credential that the middleware asks for', () => {
  expect(only({ auth: 'none', middleware: [byKey] })).toMatchObject({ check: { kind: 'api_key' }, needsAuth: true });
});

test('a route left open by mistake answers 503, it lets nobody through', () => {
  const forgotten = only({}, { settings: settings({ apiKey: null }) });
  expect(forgotten).toMatchObject({
    refuses: 'not_enforceable',
    needsAuth: true,
    check: { kind: 'unenforceable', what: 'nothing', code: 'not_enforceable' },
  });
});

test('what cannot be enforced yet answers 503, unless an alternative can be', () => {
  expect(only({ middleware: [byOAuth2] })).toMatchObject({
    refuses: 'not_enforceable',
    check: { kind: 'unenforceable', what: 'oauth2' },
  });
  expect(only({ middleware: [byKey, byOAuth2] }).refuses).toBe('not_enforceable');
  expect(only({ middleware: [{ kind: 'any_of', of: [byOAuth2, byOAuth2] }] }).refuses).toBe('not_enforceable');
  expect(only({ middleware: [{ kind: 'any_of', of: [byOAuth2, byJwt] }] }).refuses).toBeNull();
  expect(only({ middleware: [byOAuth2], upstream: null }).refuses).toBe('not_enforceable');
});

test('jwt is compiled closed: without issuer, audience, a known algorithm or preset nobody passes', () => {
  const bad: Partial<JwtSettings>[] = [
    { issuer: null },
    { audience: [] },
    { algorithms: [] },
    { algorithms: ['HS256', 'none', 'rs256'] },
    { preset: 'toString' },
  ];
  for (const change of bad) {
    const middleware: Middleware = { kind: 'jwt', jwt: jwtSettings(change) };
    expect(only({ middleware: [middleware] })).toMatchObject({ refuses: 'not_enforceable', check: { what: 'jwt' } });
  }
  const mixed: Middleware = { kind: 'jwt', jwt: jwtSettings({ algorithms: ['HS256', 'ES256'] }) };
  expect(only({ middleware: [mixed] }).check).toMatchObject({ kind: 'jwt', algorithms: new Set(['ES256']) });
});

test('checks with the same issuer and key URL share one key set, with the shortest life asked for', () => {
  const by = (change: Partial<JwtSettings>): Middleware => ({ kind: 'jwt', jwt: jwtSettings(change) });
  const plan = compilePlan(
    config({
      settings: settings({ jwt: jwtSettings() }),
      routes: [
        route('/inherits'),
        route('/shorter', { middleware: [by({ cacheTtlMs: 1000, audience: ['b'] })] }),
        route('/discovered', { middleware: [by({ jwksUri: null })] }),
        route('/another', { middleware: [by({ issuer: 'https://another.example' })] }),
      ],
    }),
  );
  expect(plan.providers.map((one) => [one.issuer, one.jwksUri === null, one.cacheTtlMs])).toEqual([
    ['https://issuer.example', false, 1000],
    ['https://issuer.example', true, 300_000],
    ['https://another.example', false, 300_000],
  ]);
});

test('a route whose callback URL cannot be built says that it is the public URL that is missing', () => {
  const lost: Middleware = { kind: 'oauth2', oauth2: oauth2Settings({ redirectUri: null }) };
  expect(only({ middleware: [lost] })).toMatchObject({ refuses: 'public_url_missing', check: { code: 'public_url_missing' } });
  expect(only({ middleware: [lost] }, { settings: settings({ publicUrl: 'https://app.example.com' }) }).refuses).toBe(
    'not_enforceable',
  );
  expect(only({ middleware: [{ kind: 'any_of', of: [lost, byKey] }] }).refuses).toBeNull();
});

test('an any_of without alternatives lets nobody through', () => {
  const compiled = only({ middleware: [{ kind: 'any_of', of: [] }] });
  expect(kinds(compiled.check)).toEqual({ all: [{ any: [] }, 'api_key'] });
  expect(compiled.refuses).toBe('not_enforceable');
});

test('a route without upstream answers 503 no_upstream', () => {
  expect(only({ upstream: null })).toMatchObject({ refuses: 'no_upstream', upstream: null });
  expect(only({ upstream: { name: 'nobody' } })).toMatchObject({ refuses: 'no_upstream', upstream: null });
  expect(only({ upstream: { url: 'ftp://x' } })).toMatchObject({ refuses: 'no_upstream', upstream: null });
  expect(only({}, { upstreams: [upstream({ targets: [] })] })).toMatchObject({ refuses: 'no_upstream' });
  expect(only({}, { upstreams: [upstream({ targets: [{ url: 'http://127.0.0.1:9000', weight: 0 }] })] })).toMatchObject({
    refuses: 'no_upstream',
  });
});

test('checks run in the order: address list, limit by address, identity, limit by key', () => {
  const compiled = only({ middleware: [rateBy('key'), byKey, rateBy('address'), fromOffice] });
  expect(listed(compiled.check).map((one) => (one.kind === 'rate_limit' ? `rate_limit ${one.by}` : one.kind))).toEqual([
    'ip_allow',
    'rate_limit address',
    'api_key',
    'rate_limit key',
  ]);
});

test('on an open route a limit by key counts by address', () => {
  expect(only({ auth: 'none', middleware: [rateBy('key')] }).check).toMatchObject({
    kind: 'rate_limit',
    by: 'address',
    burst: 20,
    rate: { limit: 100, perMs: 1000 },
  });
});

test('a literal upstream becomes one upstream, shared by the routes that name it', () => {
  const url = 'https://[::1]:9443/base/';
  const plan = compilePlan(config({ routes: [route('/a', { upstream: { url } }), route('/b', { upstream: { url } })] }));
  expect(plan.routes[0]?.upstream).toBe(plan.routes[1]?.upstream);
  expect(plan.routes[0]?.upstream?.targets).toEqual([{ url, host: '::1', port: 9443, tls: true, weight: 1, basePath: '/base' }]);
  expect(plan.upstreams).toHaveLength(2);
});

test('an address list allows exactly what it lists; what cannot be read allows nobody', () => {
  const list = listed(only({ middleware: [fromOffice] }).check)[0] as Extract<CompiledCheck, { kind: 'ip_allow' }>;
  const at = (text: string) => list.cidrs.has(parseAddress(text) as NonNullable<ReturnType<typeof parseAddress>>);
  expect([at('10.0.4.9'), at('10.0.5.9'), at('::1')]).toEqual([true, false, false]);
  const broken = listed(
    only({ middleware: [{ kind: 'ip_allow', cidrs: ['10.0.4.7/24', 'office'], vpcEndpoints: [] }] }).check,
  )[0];
  expect((broken as Extract<CompiledCheck, { kind: 'ip_allow' }>).cidrs.size).toBe(0);
});

test('limits keep their id when other routes come, go or move, and no two share one', () => {
  const limited = (prefix: string) => route(prefix, { middleware: [rateBy('address'), byKey, rateBy('key')] });
  const before = compilePlan(config({ routes: [limited('/a'), limited('/b')] }));
  const after = compilePlan(config({ routes: [limited('/z'), limited('/b'), route('/y'), limited('/a')] }));
  const [a1, a2, b1, b2] = limitIds(before) as [number, number, number, number];
  expect(limitIds(after).slice(2)).toEqual([b1, b2, a1, a2]);
  const many = compilePlan(config({ routes: Array.from({ length: 5000 }, (_, i) => limited(`/r${i}`)) }));
  const ids = limitIds(many);
  expect(new Set(ids).size).toBe(10_000);
  for (const id of ids) expect(Number.isInteger(id) && id > 0 && id <= 0xffffffff).toBe(true);
});

test('two limits whose names hash alike still count apart', () => {
  const [one, other] = ['route:/1ljhg89-mechcm/0', 'route:/23azk7-fvtqfi/0'];
  expect(stableId(one)).toBe(stableId(other));
  const ids = new LimitIds();
  expect(ids.take(one)).not.toBe(ids.take(other));
});

test('the first tier of the list whose scope is held applies', () => {
  const tiers = [
    { name: 'production', scope: 'env:production', rate: { limit: 5000, perMs: 60_000 } },
    { name: 'staging', scope: 'env:staging', rate: { limit: 500, perMs: 60_000 } },
  ];
  const plan = compilePlan(config({ tiers }));
  expect(plan.tierOf(['env:staging', 'env:production'])?.name).toBe('production');
  expect(plan.tierOf(['x', 'env:staging'])).toMatchObject({ name: 'staging', rate: { limit: 500, perMs: 60_000 }, burst: 500 });
  expect(plan.tierOf(['env:'])).toBeNull();
  expect(plan.tierOf(['env:staging'])?.id).toBe(
    compilePlan(config({ tiers: [tiers[1] as (typeof tiers)[0]] })).tierOf(['env:staging'])?.id,
  );
  expect(plan.tierOf(['env:staging'])?.id).not.toBe(plan.tierOf(['env:production'])?.id);
});

test('a route may ask for keys without a global block; then the defaults hold', () => {
  const plan = compilePlan(config({ settings: settings({ apiKey: null }), routes: [route('/a', { middleware: [byKey] })] }));
  expect(plan.apiKey).toMatchObject({
    headerName: 'X-FluxGate-API-Key',
    headerLower: 'x-fluxgate-api-key',
    maxAgeMs: 7_776_000_000,
    maxRequests: null,
    fallbackAction: 'reject',
  });
  expect(plan.apiKey?.errorResponse).toEqual(DEFAULT_API_KEY_SETTINGS.errorResponse);
  expect(
    compilePlan(config({ settings: settings({ apiKey: null }), routes: [route('/a', { auth: 'none' })] })).apiKey,
  ).toBeNull();
});

test('the error body stays JSON whatever is filled in', () => {
  const body = '{"error": "{{.Reason}}", "trace_id": "{{ .TraceID }}", "again": "{{.TraceID}}", "x": "{{.Other}}"}';
  const plan = compilePlan(config({ settings: settings({ apiKey: apiKeySettings({ errorResponse: { status: 401, body } }) }) }));
  const text = plan.apiKey?.errorTemplate.render('a"b\\c\n', '$& {{.TraceID}}') ?? '';
  expect(JSON.parse(text)).toEqual({ error: '$& {{.TraceID}}', trace_id: 'a"b\\c\n', again: 'a"b\\c\n', x: '{{.Other}}' });
  expect(compilePlan(config()).apiKey?.errorTemplate.render('t1', 'r')).toBe('{"error":"invalid_api_key","trace_id":"t1"}');
});

test('every spelling of a header that FluxGate sets upstream is known as such', () => {
  const plan = compilePlan(
    config({
      settings: settings({
        apiKey: apiKeySettings({ headerName: 'X-Api_Key' }),
        jwt: jwtSettings({ claimsToHeaders: { org: 'X-Org' } }),
      }),
      routes: [
        route('/a', {
          middleware: [
            { kind: 'any_of', of: [{ kind: 'jwt', jwt: jwtSettings({ claimsToHeaders: { sub: 'X-User-Id' } }) }, byKey] },
          ],
        }),
      ],
    }),
  );
  for (const name of [
    'X-User-Id',
    'x_user_id',
    'X-USER_ID',
    'x-org',
    'X-API-KEY',
    'x_api_key',
    'X-FluxGate-Principal',
    'x_fluxgate_principal',
    'X-FluxGate-Anything',
    'X_FluxGate-Scopes',
  ]) {
    expect([name, plan.isIdentityHeader(name)]).toEqual([name, true]);
  }
  for (const name of ['x-user', 'x-user-ids', 'authorization', 'x-fluxgat', 'x-fluxgateway'])
    expect([name, plan.isIdentityHeader(name)]).toEqual([name, false]);
  expect([...plan.identityHeaders].sort()).toEqual([
    'x-api-key',
    'x-fluxgate-key-id',
    'x-fluxgate-owner',
    'x-fluxgate-principal',
    'x-fluxgate-scopes',
    'x-org',
    'x-user-id',
  ]);
});

test('proxies are trusted only as listed', () => {
  expect(compilePlan(config()).trustedProxies.size).toBe(0);
  const plan = compilePlan(config({ settings: settings({ trustedProxies: ['10.0.0.0/8', 'nonsense'] }) }));
  expect(plan.trustedProxies.size).toBe(1);
});

test('the plan finds its routes, and a prefix that no canonical path has is unreachable', () => {
  const plan = compilePlan(config({ routes: [route('/a/'), route('b'), route('/c;d'), route('/e', { methods: ['GET'] })] }));
  expect(plan.match('h', '/a/x', 'GET').route?.name).toBe('/a/');
  expect(plan.match('h', '/b', 'GET').refusal).toBe('no_route');
  expect(plan.match('h', '/', 'GET').refusal).toBe('no_route');
  expect(plan.match('h', '/e', 'PUT')).toEqual({ refusal: 'method_not_allowed', allow: 'GET' });
  expect(plan.explain('h', '/e', 'PUT').others).toHaveLength(1);
  expect(plan.routes.map((one) => one.index)).toEqual([0, 1, 2, 3]);
});

test('a plan cannot be changed', () => {
  const plan = compilePlan(config({ routes: [route('/a', { middleware: [fromOffice, rateBy('key')] })] }));
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value);
  const compiled = plan.routes[0] as CompiledRoute;
  for (const value of [
    plan,
    plan.routes,
    compiled,
    compiled.check,
    (compiled.check as { of: unknown }).of,
    compiled.upstream,
    compiled.upstream?.targets,
    plan.apiKey,
  ])
    expect(frozen(value)).toBe(true);
});

test('a thousand routes compile and match', () => {
  const routes = Array.from({ length: 3000 }, (_, i) => route(`/team${i % 50}/service${i}`));
  const plan = compilePlan(config({ routes }));
  for (let i = 0; i < 3000; i += 1) expect(plan.match('h', `/team${i % 50}/service${i}/x`, 'GET').route?.index).toBe(i);
});
