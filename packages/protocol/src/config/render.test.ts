import type { JwtSettings, Middleware, OAuth2Settings, RealmConfig, RouteSpec } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parse as parseYaml } from 'yaml';
import { emitDocument } from './emit.ts';
import { diffConfig, emptyConfig, mergeConfig, parseConfig, renderConfig } from './index.ts';

/** Text that YAML readers have stumbled over, beside ordinary and hostile text. */
const tricky = fc.constantFrom(
  'null',
  'true',
  'no',
  'Off',
  '~',
  '1',
  '1e3',
  '0x10',
  '0o7',
  '.5',
  '.inf',
  '1_000',
  '12:30:45',
  '2026-11-21',
  '-',
  '---',
  '...',
  '- a',
  'a: b',
  'a #b',
  '#a',
  '*a',
  '&a',
  '!a',
  '%a',
  '@a',
  '`a',
  '{a',
  '[a',
  'a,b',
  '? a',
  '| ',
  '> ',
  "it's",
  '"',
  `'"'`,
  'a\\b',
  ' a ',
  '=',
  '<<',
  'é',
  '😀',
  '5/min',
  '90d',
  '3e',
  'y',
);
const line = fc
  .oneof(tricky, fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }))
  .filter((text) => !/\p{Cc}/u.test(text) && text !== '');
const name = fc.oneof(
  fc.constantFrom('null', 'true', '1', '1.5', '1e3', '0x1f', 'yes', 'a:b', 'a@b', '2026-11-21'),
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,12}$/),
);
const scope = fc.oneof(
  fc.constantFrom('read:metrics', '*', '#x', 'null', '-', '&a', '!x', '{', "'", ','),
  fc.stringMatching(/^[\x21\x23-\x5b\x5d-\x7e]{1,12}$/),
);
const url = fc.constantFrom(
  'https://auth.example.com',
  'https://auth.example.com/',
  'http://127.0.0.1:9000',
  'http://[::1]:9000/base',
  'https://a-b.example.com:8443/x/y',
);
const ms = (min: number, max: number) =>
  fc.oneof(
    fc.integer({ min, max }),
    fc.integer({ min: 1, max: Math.floor(max / 60_000) || 1 }).map((n) => Math.min(max, Math.max(min, n * 60_000))),
  );
const rate = fc.record({
  limit: fc.integer({ min: 1, max: 1_000_000 }),
  perMs: fc.constantFrom(1000, 60_000, 3_600_000, 86_400_000, 10_000, 1500),
});
const nullable = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null });
const distinct = <T>(one: fc.Arbitrary<T>, min = 0, max = 3) => fc.uniqueArray(one, { minLength: min, maxLength: max });
const onLoss = fc.constantFrom('deny', 'local', 'allow');
const path = fc.constantFrom('/', '/a', '/a/b', '/a-b/%C3%A9', '/x.y/~z', "/it's", '/a:b@c');
const algorithms = distinct(fc.constantFrom('RS256', 'ES256', 'ES384', 'PS512', 'EdDSA'), 1);
const record = <T>(keys: fc.Arbitrary<string>, values: fc.Arbitrary<T>) =>
  fc.uniqueArray(fc.tuple(keys, values), { maxLength: 3, selector: ([key]) => key }).map((pairs) => Object.fromEntries(pairs));

const jwt = (enabled: fc.Arbitrary<boolean>): fc.Arbitrary<JwtSettings> =>
  fc.record({
    enabled,
    issuer: url,
    audience: distinct(line, 1),
    jwksUri: url,
    cacheTtlMs: ms(1000, 86_400_000),
    requiredClaims: distinct(fc.constantFrom('sub', 'realm_access.roles', 'https://ns.example/x', '_id')),
    requiredScopes: distinct(scope),
    clockSkewMs: ms(0, 3_600_000),
    algorithms,
    claimsToHeaders: fc.constantFrom({}, { sub: 'X-User-Id' }, { sub: 'X-User-Id', 'realm_access.roles': 'X-Roles' }),
    preset: fc.constantFrom('standard', 'auth0', 'keycloak'),
    claimsToScopes: distinct(fc.constantFrom('scope', 'scp', 'https://ns.example/roles')),
    typ: distinct(fc.constantFrom('at+jwt', 'application/at+jwt', 'JWT')),
    maxLifetimeMs: nullable(ms(1000, 86_400_000)),
  });
const oauth2 = (enabled: fc.Arbitrary<boolean>): fc.Arbitrary<OAuth2Settings> =>
  fc.record({
    enabled,
    issuer: nullable(url),
    clientId: line,
    clientSecretRef: nullable(fc.constantFrom('vault:secret/data/oauth2#client_secret', 'file:/etc/x', 'env:FLUXGATE_SECRET_X')),
    authorizationUrl: nullable(url),
    tokenUrl: nullable(url),
    introspectionUrl: nullable(url),
    redirectUri: nullable(url),
    codeChallengeMethod: fc.constant('S256'),
    callback: fc.record({
      path,
      stateTtlMs: ms(10_000, 86_400_000),
      redirectSuccess: fc.constantFrom('/', '/a?b=c', 'https://a.example/x'),
      redirectFailure: fc.constantFrom('/', '/login?error=auth_failed#x'),
    }),
    scopes: distinct(scope),
    audience: distinct(line),
    scopeRoutes: record(
      scope,
      distinct(
        path.map((one) => `GET ${one}`),
        1,
      ),
    ),
  });
const plainMiddleware: fc.Arbitrary<Middleware> = fc.oneof(
  fc.record({
    kind: fc.constant('api_key' as const),
    scopes: distinct(scope),
    queryParameter: nullable(fc.constantFrom('api_key', 'null', '1')),
  }),
  fc.record({ kind: fc.constant('jwt' as const), jwt: jwt(fc.constant(true)) }),
  fc.record({ kind: fc.constant('oauth2' as const), oauth2: oauth2(fc.constant(true)) }),
  fc.record({
    kind: fc.constant('ip_allow' as const),
    cidrs: distinct(fc.constantFrom('10.0.4.0/24', '::1/128', '2001:db8::/32', '127.0.0.1'), 1),
    vpcEndpoints: distinct(fc.constantFrom('vpce-0a1b2c3d4e5f60718', 'vpce-12345678')),
  }),
  fc.record({
    kind: fc.constant('rate_limit' as const),
    rate,
    burst: fc.integer({ min: 1, max: 1000 }),
    by: fc.constantFrom('key' as const, 'address' as const),
    onAuthorityLoss: onLoss,
  }),
) as fc.Arbitrary<Middleware>;
const middleware = fc.oneof(
  { weight: 4, arbitrary: plainMiddleware },
  {
    weight: 1,
    arbitrary: fc.array(plainMiddleware, { minLength: 1, maxLength: 3 }).map((of): Middleware => ({ kind: 'any_of', of })),
  },
);
const headerValue = fc
  .oneof(tricky, fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,8}[\x21-\x7e])?$/))
  .filter((one) => /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(one));
const headerChanges = {
  set: record(fc.constantFrom('X-A', '1', 'null'), headerValue),
  add: record(fc.constantFrom('X-B', 'true', 'Link'), headerValue),
  remove: distinct(fc.constantFrom('Cookie', 'X-C', 'no')),
};
const corsParts = {
  methods: nullable(distinct(fc.constantFrom('GET', 'PATCH'), 1)),
  headers: nullable(distinct(fc.constantFrom('Content-Type', 'X-Key'))),
  expose: distinct(fc.constantFrom('RateLimit', 'ETag')),
  maxAgeMs: ms(0, 86_400_000),
};
const route: fc.Arbitrary<RouteSpec> = fc
  .record({
    given: nullable(name),
    prefix: path,
    host: nullable(fc.constantFrom('api.example.com', 'a', '127.0.0.1', '[::1]', 'null', '1e3')),
    methods: nullable(distinct(fc.constantFrom('GET', 'HEAD', 'POST'), 1)),
    upstream: nullable(
      fc.oneof(
        name.map((one) => ({ name: one })).filter((one) => !/^[\w.-]+:\d+$/.test(one.name)),
        url.map((one) => ({ url: one })),
      ),
    ),
    middleware: fc.array(middleware, { maxLength: 4 }),
    labels: record(
      fc.constantFrom('team', '1', 'null', 'a.b/c'),
      fc.oneof(
        tricky,
        fc.string({ maxLength: 20 }).filter((text) => !/\p{Cc}/u.test(text)),
      ),
    ),
    owner: nullable(line),
    cors: nullable(
      fc.oneof(
        fc.record({ ...corsParts, origins: fc.constant('*' as const), credentials: fc.constant(false) }),
        fc.record({
          ...corsParts,
          origins: distinct(fc.constantFrom('https://a.test', 'http://*.b.test:8080'), 1),
          credentials: fc.boolean(),
        }),
      ),
    ),
    bodyMaxBytes: nullable(fc.nat({ max: 1_000_000_000 })),
    request: nullable(
      fc
        .record({
          ...headerChanges,
          stripPrefix: fc.boolean(),
          rewritePrefix: nullable(fc.constantFrom('/', '/v2', '/a/%C3%A9')),
          host: fc.constantFrom('preserve', 'upstream', 'orders.internal'),
        })
        .map((one) => (one.rewritePrefix === null ? one : { ...one, stripPrefix: false })),
    ),
    response: nullable(fc.record(headerChanges)),
    websocket: nullable(fc.record({ idleMs: ms(1000, 86_400_000), lifetimeMs: ms(1000, 86_400_000) })),
    serverTiming: fc.boolean(),
  })
  .map(
    ({ given, ...rest }) =>
      ({
        ...rest,
        auth: rest.middleware.length === 0 ? 'none' : 'required',
        name: given ?? `${rest.host ?? ''}${rest.prefix}`,
      }) as const,
  );

const config: fc.Arbitrary<RealmConfig> = fc.record({
  settings: fc.record({
    publicUrl: nullable(url),
    trustedProxies: distinct(fc.constantFrom('10.0.0.0/8', '::1/128')),
    listeners: fc.array(
      fc
        .record({
          address: fc.constantFrom('0.0.0.0:8443', '[::]:80'),
          tls: fc.array(fc.record({ cert: fc.constant('file:/a b/c'), key: fc.constant('file:c.key') }), {
            minLength: 1,
            maxLength: 2,
          }),
          clientCa: fc.constantFrom('file:ca.pem', 'file:/x/ca.pem'),
          clientCerts: fc.constantFrom('optional', 'required'),
          proxyProtocol: fc.constantFrom('off', 'v1', 'v2', 'any'),
        })
        .chain((one) => fc.constantFrom(one, { ...one, tls: [], clientCa: null, clientCerts: 'off' as const })),
      { maxLength: 2 },
    ),
    limits: nullable(
      fc.record({
        address: nullable(fc.record({ rate, burst: fc.integer({ min: 1, max: 1000 }) })),
        bodyBytes: nullable(fc.nat({ max: 1_000_000_000 })),
        headBytes: nullable(fc.integer({ min: 1024, max: 1_048_576 })),
      }),
    ),
    apiKey: nullable(
      fc.record({
        enabled: fc.boolean(),
        headerName: fc.constantFrom('X-FluxGate-API-Key', 'apikey', 'X_Key'),
        vaultPath: fc.constant('secret/data/api-keys'),
        maxAgeMs: ms(1000, 315_360_000_000),
        maxRequests: nullable(fc.integer({ min: 1, max: 1_000_000 })),
        fallbackAction: fc.constantFrom('reject', 'last_known'),
        errorResponse: fc.record({
          status: fc.integer({ min: 400, max: 499 }),
          body: fc
            .oneof(
              fc.constant('{"error": "{{.Reason}}", "trace_id": "{{.TraceID}}"}'),
              fc.string({ maxLength: 40 }),
              fc.constant('it\'s\n"two"\tlines\u2028\u0000'),
            )
            .filter((text) => !/\{\{[^.]|\{\{$/.test(text)),
        }),
        onAuthorityLoss: onLoss,
      }),
    ),
    jwt: nullable(jwt(fc.boolean())),
    oauth2: nullable(oauth2(fc.boolean())),
  }),
  upstreams: fc.uniqueArray(
    fc.record({
      name,
      targets: fc.uniqueArray(fc.record({ url, weight: fc.integer({ min: 0, max: 3 }) }), {
        minLength: 1,
        maxLength: 3,
        selector: (one) => one.url.replace(/\/$/, ''),
      }),
      balance: fc.constantFrom('round_robin', 'least_requests', 'consistent_hash'),
      timeout: fc.record({
        connectMs: ms(1, 86_400_000),
        firstByteMs: ms(1, 86_400_000),
        idleMs: ms(1, 86_400_000),
        totalMs: nullable(ms(1, 86_400_000)),
      }),
      health: nullable(
        fc.record({
          path: fc.constantFrom('/', '/healthz?full=1'),
          intervalMs: ms(100, 86_400_000),
          timeoutMs: ms(10, 86_400_000),
          healthy: fc.integer({ min: 1, max: 100 }),
          unhealthy: fc.integer({ min: 1, max: 100 }),
          expect: nullable(distinct(fc.integer({ min: 100, max: 599 }), 1)),
        }),
      ),
      tls: nullable(
        fc.record({ ca: nullable(fc.constant('file:ca.pem')), sni: nullable(fc.constant('a.internal')), verify: fc.boolean() }),
      ),
      maxConnections: nullable(fc.integer({ min: 1, max: 1000 })),
      queue: nullable(fc.nat({ max: 1000 })),
      retries: nullable(fc.nat({ max: 10 })),
      outlier: nullable(fc.record({ failures: fc.integer({ min: 1, max: 1000 }), ejectionMs: ms(100, 86_400_000) })),
    }),
    { maxLength: 4, selector: (one) => one.name },
  ),
  tiers: fc.uniqueArray(fc.record({ name, scope, rate }), { maxLength: 4, selector: (one) => one.name }),
  routes: fc.uniqueArray(route, { maxLength: 5, selector: (one) => one.name }),
}) as fc.Arbitrary<RealmConfig>;

test('what is exported reads back as exactly the same configuration', () => {
  fc.assert(
    fc.property(config, (given) => {
      const { input, diagnostics } = parseConfig([{ name: 'export.yaml', text: renderConfig(given) }]);
      expect(diagnostics.filter((one) => one.severity === 'error')).toEqual([]);
      expect(mergeConfig(emptyConfig(), input)).toEqual(given);
    }),
    { numRuns: 300 },
  );
});

test('an export is read alike by readers of YAML 1.1 and 1.2', () => {
  fc.assert(
    fc.property(
      fc.dictionary(line, fc.oneof(line, fc.array(line), fc.dictionary(line, line)), { minKeys: 1, maxKeys: 4 }),
      (given) => {
        const text = emitDocument(
          new Map(
            Object.entries(given).map(([key, value]) => [
              key,
              typeof value === 'object' && !Array.isArray(value) ? new Map(Object.entries(value)) : value,
            ]),
          ),
        );
        const plain = JSON.parse(JSON.stringify(given));
        expect(parseYaml(text)).toEqual(plain);
        expect(parseYaml(text, { version: '1.1', merge: false })).toEqual(plain);
      },
    ),
    { numRuns: 300 },
  );
});

test('a configuration differs from itself in nothing, and from nothing in everything it has', () => {
  fc.assert(
    fc.property(config, (given) => {
      expect(diffConfig(given, given)).toEqual([]);
      const made = diffConfig(emptyConfig(), given);
      expect(made.filter((one) => one.kind === 'route').map((one) => [one.action, one.name])).toEqual(
        given.routes.map((one) => ['create', one.name]),
      );
      expect(diffConfig(given, emptyConfig()).filter((one) => one.action === 'delete')).toHaveLength(
        given.routes.length + given.upstreams.length + given.tiers.length,
      );
    }),
    { numRuns: 100 },
  );
});
