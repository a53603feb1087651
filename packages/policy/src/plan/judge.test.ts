import { expect, test } from '@jest/globals';
import type { Middleware, RealmConfig, RouteSpec } from '../model.ts';
import { compilePlan } from './compile.ts';
import { type ConfigFinding, nearest } from './findings.ts';
import { judgeConfig } from './judge.ts';
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

const lines = (findings: readonly ConfigFinding[]): string[] =>
  findings.map((one) => `${one.severity} ${one.code} ${one.object.kind}/${one.object.name} ${one.field}`.trim());
const judged = (change: Partial<RealmConfig>): string[] => lines(judgeConfig(config(change)));
const judgedRoute = (change: Partial<RouteSpec>, more: Partial<RealmConfig> = {}): string[] =>
  judged({ ...more, routes: [route('/a', change)] });
const withMiddleware = (...middleware: Middleware[]): string[] => judgedRoute({ middleware });

test('a sound configuration has no findings', () => {
  expect(
    judged({
      settings: settings({ publicUrl: 'https://app.example.com', trustedProxies: ['10.0.0.0/8'] }),
      tiers: [
        { name: 'production', scope: 'env:production', rate: { limit: 5000, perMs: 60_000 } },
        { name: 'staging', scope: 'env:staging', rate: { limit: 500, perMs: 60_000 } },
      ],
      routes: [
        route('/public', { auth: 'none' }),
        route('/internal/gateway'),
        route('/api/v2/metrics', { methods: ['GET', 'HEAD'], middleware: [byKey] }),
        route('/api/v2/metrics', { name: 'write', methods: ['POST'], middleware: [byKey] }),
        route('/api/v2/metrics', { name: 'rest', middleware: [byKey] }),
        route('/api/v2/metrics', { host: 'api.example.com' }),
        route('/direct', {
          upstream: { url: 'https://backend.internal:8443/base' },
          middleware: [fromOffice, byKey, rateBy('key')],
        }),
      ],
    }),
  ).toEqual([]);
});

test('a route left open without saying so is an error', () => {
  const none = settings({ apiKey: null });
  expect(judgedRoute({}, { settings: none })).toEqual(['error route_open route//a']);
  expect(judgedRoute({ middleware: [fromOffice, rateBy('address')] }, { settings: none })).toEqual(['error route_open route//a']);
  expect(judgedRoute({}, { settings: settings({ apiKey: apiKeySettings({ enabled: false }) }) })).toEqual([
    'error route_open route//a',
  ]);
  expect(judgedRoute({ auth: 'none' }, { settings: none })).toEqual([]);
  expect(judgedRoute({ middleware: [byKey] }, { settings: none })).toEqual([]);
});

test('auth: none beside a credential is an error', () => {
  expect(judgedRoute({ auth: 'none', middleware: [byKey] })).toEqual(['error auth_contradiction route//a auth']);
});

test('an unknown upstream is an error that offers the nearest name', () => {
  const findings = judgeConfig(
    config({ upstreams: [upstream(), upstream({ name: 'orders' })], routes: [route('/a', { upstream: { name: 'order' } })] }),
  );
  expect(lines(findings)).toEqual(['error upstream_unknown route//a upstream']);
  expect(findings[0]?.remedy).toBe('did you mean orders?');
  const [unlike] = judgeConfig(config({ routes: [route('/a', { upstream: { name: 'payments' } })] }));
  expect(unlike?.remedy).toBe('known: metrics');
});

test('a route without upstream is a warning that says what it answers', () => {
  const findings = judgeConfig(config({ routes: [route('/a', { upstream: null })] }));
  expect(lines(findings)).toEqual(['warning upstream_missing route//a upstream']);
  expect(findings[0]?.message).toContain('503 no_upstream');
});

test('targets that cannot be dialled are errors, and an upstream that has none is a warning', () => {
  for (const url of [
    'ftp://x',
    'http://',
    'http://u:p@h',
    'http://h:0',
    'http://h:70000',
    'http://300.1.1.1',
    'http://[::g]',
    'http://h?x',
    'http://h/a//b',
    'h:80',
  ]) {
    expect(judged({ upstreams: [upstream({ targets: [{ url, weight: 1 }] })] })).toEqual([
      'error target_invalid upstream/metrics targets.0',
    ]);
    expect(judgedRoute({ upstream: { url } })).toEqual(['error target_invalid route//a upstream']);
  }
  expect(judged({ upstreams: [upstream({ targets: [] })] })).toEqual(['warning upstream_empty upstream/metrics targets']);
  expect(judged({ upstreams: [upstream({ targets: [{ url: 'http://h', weight: 0 }] })] })).toEqual([
    'warning upstream_empty upstream/metrics targets',
  ]);
  expect(judged({ upstreams: [upstream({ targets: [{ url: 'http://h', weight: 1.5 }] })] })).toEqual([
    'error target_invalid upstream/metrics targets.0.weight',
  ]);
});

test('two routes that claim the same requests are an error; split by method or host they are not', () => {
  const pair = (a: Partial<RouteSpec>, b: Partial<RouteSpec>): string[] =>
    judged({ routes: [route('/a', { name: 'one', ...a }), route('/a', { name: 'two', ...b })] });
  expect(pair({}, {})).toEqual(['error duplicate_route route/two route']);
  expect(pair({ methods: ['GET', 'PUT'] }, { methods: ['PUT'] })).toEqual(['error duplicate_route route/two route']);
  expect(pair({ methods: ['GET'] }, { methods: ['PUT'] })).toEqual([]);
  expect(pair({ methods: ['GET'] }, {})).toEqual([]);
  expect(pair({ host: 'a.test' }, { host: 'b.test' })).toEqual([]);
  expect(pair({ host: 'a.test' }, {})).toEqual([]);
  expect(judged({ routes: [route('/a:b', { name: 'one' }), route('/a%3Ab', { name: 'two' })] })).toEqual([
    'error duplicate_route route/two route',
  ]);
});

test('names are unique among routes, upstreams and tiers', () => {
  expect(judged({ routes: [route('/a', { name: 'x' }), route('/b', { name: 'x' })] })).toEqual([
    'error duplicate_name route/x name',
  ]);
  expect(judged({ upstreams: [upstream(), upstream()] })).toEqual(['error duplicate_name upstream/metrics']);
  const rate = { limit: 1, perMs: 1000 };
  expect(
    judged({
      tiers: [
        { name: 't', scope: 'a', rate },
        { name: 't', scope: 'b', rate },
      ],
    }),
  ).toEqual(['error duplicate_name tier/t']);
});

test('a tier behind another with the same scope never applies, and is told so', () => {
  const rate = { limit: 1, perMs: 1000 };
  const findings = judgeConfig(
    config({
      tiers: [
        { name: 'a', scope: 's', rate },
        { name: 'b', scope: 's', rate },
      ],
    }),
  );
  expect(lines(findings)).toEqual(['warning tier_shadowed tier/b scope']);
  expect(findings[0]?.message).toContain('a stands above it');
});

test('an alternative without authentication beside ones with is an error', () => {
  expect(withMiddleware({ kind: 'any_of', of: [byKey, fromOffice] })).toEqual([
    'error any_of_mixed route//a middleware.0.any_of.1',
  ]);
  expect(withMiddleware({ kind: 'any_of', of: [byKey, { kind: 'any_of', of: [byKey, rateBy('key')] }] })).toEqual([
    'error any_of_mixed route//a middleware.0.any_of.1',
    'error any_of_mixed route//a middleware.0.any_of.1.any_of.1',
  ]);
  expect(withMiddleware({ kind: 'any_of', of: [] })).toEqual(['error any_of_empty route//a middleware.0.any_of']);
  expect(withMiddleware({ kind: 'any_of', of: [byKey, byKey] })).toEqual([]);
});

test('what is not enforced yet is said, with what will be answered', () => {
  const findings = judgeConfig(config({ routes: [route('/a', { middleware: [{ kind: 'any_of', of: [byKey, byOAuth2] }] })] }));
  expect(lines(findings)).toEqual(['warning not_enforceable route//a middleware.0.any_of.1.oauth2']);
  expect(findings[0]?.message).toContain('503 not_enforceable');
  expect(withMiddleware(byOAuth2)).toEqual(['warning not_enforceable route//a middleware.0.oauth2']);
  expect(judged({ settings: settings({ oauth2: oauth2Settings() }) })).toEqual([
    'warning not_enforceable settings/fluxgate auth.oauth2',
  ]);
  expect(withMiddleware(byJwt)).toEqual([]);
});

test('jwt without issuer or audience is an error, and so is a secret-key algorithm; the key URL may be left to discovery', () => {
  expect(withMiddleware({ kind: 'jwt', jwt: jwtSettings({ issuer: null }) })).toEqual([
    'error jwt_issuer_missing route//a middleware.0.jwt.issuer',
  ]);
  expect(withMiddleware({ kind: 'jwt', jwt: jwtSettings({ audience: [] }) })).toEqual([
    'error jwt_audience_missing route//a middleware.0.jwt.audience',
  ]);
  expect(withMiddleware({ kind: 'jwt', jwt: jwtSettings({ preset: 'azure' }) })).toEqual([
    'error preset_unknown route//a middleware.0.jwt.preset',
  ]);
  expect(withMiddleware({ kind: 'jwt', jwt: jwtSettings({ jwksUri: null }) })).toEqual([]);
  for (const algorithm of ['HS256', 'none', 'rs256']) {
    expect(withMiddleware({ kind: 'jwt', jwt: jwtSettings({ algorithms: [algorithm] }) })).toEqual([
      'error algorithm_refused route//a middleware.0.jwt.algorithm',
    ]);
  }
});

test('a callback whose URL cannot be built is a warning', () => {
  const without = oauth2Settings({ redirectUri: null });
  expect(withMiddleware({ kind: 'oauth2', oauth2: without })[0]).toBe(
    'warning public_url_missing route//a middleware.0.oauth2.redirect_uri',
  );
  expect(
    judgedRoute(
      { middleware: [{ kind: 'oauth2', oauth2: without }] },
      { settings: settings({ publicUrl: 'https://app.example.com' }) },
    ),
  ).toEqual(['warning not_enforceable route//a middleware.0.oauth2']);
  expect(judged({ settings: settings({ oauth2: without }) })[0]).toBe(
    'warning public_url_missing settings/fluxgate auth.oauth2.redirect_uri',
  );
});

test('claims and keys cannot sit in headers that mean something else', () => {
  const claim = (header: string): string[] =>
    withMiddleware({ kind: 'jwt', jwt: jwtSettings({ claimsToHeaders: { sub: header } }) });
  const expected = 'error header_invalid route//a middleware.0.jwt.claims_to_headers.sub';
  for (const header of [
    'Host',
    'content_length',
    'Transfer-Encoding',
    'Authorization',
    'X-FluxGate-Principal',
    'x_fluxgate_owner',
    'X Y',
    'X:Y',
    '',
    'X\r\nY',
  ])
    expect(claim(header)[0]).toBe(expected);
  expect(claim('X-User-Id')).toEqual([]);
  expect(judged({ settings: settings({ apiKey: apiKeySettings({ headerName: 'Host' }) }) })).toEqual([
    'error header_invalid settings/fluxgate auth.api_key.header_name',
  ]);
  expect(judged({ settings: settings({ apiKey: apiKeySettings({ headerName: 'X-Partner-Key' }) }) })).toEqual([]);
});

test('an address list is judged entry by entry', () => {
  expect(withMiddleware({ kind: 'ip_allow', cidrs: ['10.0.4.0/24', '10.0.4.7/24'], vpcEndpoints: [] })).toEqual([
    'error cidr_invalid route//a middleware.0.ip_allow.1',
  ]);
  expect(withMiddleware({ kind: 'ip_allow', cidrs: [], vpcEndpoints: [] })).toEqual([
    'warning ip_allow_empty route//a middleware.0.ip_allow',
  ]);
  expect(withMiddleware({ kind: 'ip_allow', cidrs: [], vpcEndpoints: ['vpce-1'] })).toEqual([
    'warning vpc_endpoint_untrusted route//a middleware.0.ip_allow',
  ]);
  expect(
    judgedRoute(
      { middleware: [{ kind: 'ip_allow', cidrs: [], vpcEndpoints: ['vpce-1'] }] },
      { settings: settings({ trustedProxies: ['10.0.0.1'] }) },
    ),
  ).toEqual([]);
  expect(judged({ settings: settings({ trustedProxies: ['10.0.0.0/8', '*'] }) })).toEqual([
    'error cidr_invalid settings/fluxgate trusted_proxies.1',
  ]);
});

test('limits that let nothing through are errors', () => {
  const limit = (change: object): string[] => withMiddleware({ ...rateBy('key'), ...change } as Middleware);
  expect(limit({ rate: { limit: 0, perMs: 1000 } })).toEqual(['error rate_invalid route//a middleware.0.rate_limit.rate']);
  expect(limit({ rate: { limit: 1, perMs: Number.NaN } })).toEqual(['error rate_invalid route//a middleware.0.rate_limit.rate']);
  expect(limit({ burst: 0 })).toEqual(['error rate_invalid route//a middleware.0.rate_limit.burst']);
  expect(judged({ tiers: [{ name: 't', scope: 's', rate: { limit: 0, perMs: 1000 } }] })).toEqual([
    'error rate_invalid tier/t rate',
  ]);
  expect(judgedRoute({ auth: 'none', middleware: [rateBy('key')] })).toEqual([
    'warning rate_by_key_open route//a middleware.0.rate_limit.by',
  ]);
  expect(judgedRoute({ auth: 'none', middleware: [rateBy('address')] })).toEqual([]);
});

test('prefix, host, methods and scopes have one spelling, and the remedy shows it', () => {
  const remedy = (change: Partial<RouteSpec>): string =>
    judgeConfig(config({ routes: [route('/a', change)] }))
      .map((one) => `${one.code} ${one.remedy}`)
      .join();
  expect(remedy({ prefix: '/a/' })).toBe('prefix_invalid write /a');
  expect(remedy({ prefix: 'a' })).toContain('prefix_invalid');
  expect(remedy({ prefix: '/users/{id}' })).toContain('prefix_invalid');
  expect(remedy({ host: 'API.example.com:443' })).toBe('host_invalid write api.example.com');
  expect(remedy({ host: '*.example.com' })).toContain('host_invalid');
  expect(remedy({ methods: ['get'] })).toBe('method_invalid write GET');
  expect(remedy({ methods: [] })).toContain('method_invalid');
  expect(remedy({ middleware: [{ kind: 'api_key', scopes: ['a b'], queryParameter: null }] })).toContain('scope_invalid');
  expect(remedy({ middleware: [{ kind: 'api_key', scopes: [], queryParameter: 'a&b' }] })).toContain('query_parameter_invalid');
});

test('the error response of a refused key says refused, and its placeholders are ones that are filled', () => {
  const response = (status: number, body: string): string[] =>
    judged({ settings: settings({ apiKey: apiKeySettings({ errorResponse: { status, body } }) }) });
  expect(response(200, '')).toEqual(['error error_status_invalid settings/fluxgate auth.api_key.error_response.status']);
  expect(response(401, '{{.TraceId}} {{.Reason}}')).toEqual([
    'warning error_placeholder_unknown settings/fluxgate auth.api_key.error_response.body',
  ]);
  expect(judged({ settings: settings({ publicUrl: 'app.example.com' }) })).toEqual([
    'error public_url_invalid settings/fluxgate public_url',
  ]);
});

test('everything wrong is said at once, each with a remedy', () => {
  const findings = judgeConfig(
    config({
      settings: settings({ apiKey: null, trustedProxies: ['x'] }),
      upstreams: [upstream({ targets: [{ url: 'x', weight: 1 }] })],
      routes: [route('/a', { upstream: { name: 'nobody' } }), route('/a', { upstream: null })],
    }),
  );
  expect(new Set(findings.map((one) => one.code))).toEqual(
    new Set(['cidr_invalid', 'target_invalid', 'duplicate_route', 'route_open', 'upstream_unknown', 'upstream_missing']),
  );
  for (const one of findings) expect(one.message.length * one.remedy.length).toBeGreaterThan(0);
});

test('a route that has an error about its authentication lets nobody through even if it were compiled', () => {
  const bad: Partial<RealmConfig>[] = [
    { settings: settings({ apiKey: null }), routes: [route('/a')] },
    {
      settings: settings({ apiKey: null }),
      routes: [route('/a', { middleware: [{ kind: 'any_of', of: [byKey, fromOffice] }] })],
    },
    { settings: settings({ apiKey: null }), routes: [route('/a', { middleware: [{ kind: 'any_of', of: [] }] })] },
  ];
  for (const change of bad) expect(compilePlan(config(change)).routes[0]?.refuses).toBe('not_enforceable');
});

test('the nearest name is near, or there is none', () => {
  expect(nearest('metrcis', ['orders', 'metrics'])).toBe('metrics');
  expect(nearest('ordesr', ['orders', 'metrics'])).toBe('orders');
  expect(nearest('Metrics', ['metrics'])).toBe('metrics');
  expect(nearest('payments', ['orders', 'metrics'])).toBeNull();
  expect(nearest('x', [])).toBeNull();
});

test('what no signature can cover, an age that cannot be remembered, and a bare key beside a signed one are told', () => {
  const remedy = (change: Partial<RouteSpec>): string =>
    judgeConfig(config({ routes: [route('/a', change)] }))
      .map((one) => `${one.code} ${one.remedy}`)
      .join();
  const signed = (maxAgeMs: number, covers: readonly string[]): Middleware => ({
    kind: 'api_key',
    scopes: [],
    queryParameter: null,
    signature: { maxAgeMs, covers },
  });
  expect(remedy({ middleware: [signed(300_000, ['Content-Type'])] })).toContain('signature_invalid');
  expect(remedy({ middleware: [signed(300_000, ['@status'])] })).toContain('signature_invalid');
  for (const maxAgeMs of [0, 999, 3_600_001, Number.NaN])
    expect(remedy({ middleware: [signed(maxAgeMs, [])] })).toContain('signature_invalid');
  const bare: Middleware = { kind: 'api_key', scopes: [], queryParameter: null };
  expect(remedy({ middleware: [{ kind: 'any_of', of: [signed(300_000, []), bare] }] })).toContain('signature_optional');
  expect(remedy({ middleware: [{ kind: 'any_of', of: [signed(300_000, []), signed(1000, ['@scheme'])] }] })).not.toContain(
    'signature',
  );
});
