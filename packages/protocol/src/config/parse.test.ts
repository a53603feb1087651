import { expect, test } from '@jest/globals';
import { emptyConfig, mergeConfig, parseConfig } from './index.ts';

const parse = (...texts: string[]) => parseConfig(texts.map((text, index) => ({ name: `${index}.yaml`, text })));
const told = (text: string): string[] =>
  parse(text).diagnostics.map((one) => `${one.line}:${one.column} ${one.code} ${one.remedy ?? '–'}`);
const codes = (text: string): string[] => parse(text).diagnostics.map((one) => one.code);
const route = (lines: string): string => `route: /a\nupstream: http://127.0.0.1:1\n${lines}`;
const jwtOf = (fields: string, defaults = 'issuer: https://i.example, audience: a, jwks_uri: https://i.example/k') =>
  parse(route(`middleware: [{ jwt: { ${defaults}, ${fields} } }]`));

test('a duration without unit is told with the unit it probably means', () => {
  expect(told('fluxgate: { auth: { api_key: { validation: { max_age: 7776000 } } } }')).toEqual([
    '1:55 bad_unit `max_age: 7776000s` if seconds were meant',
  ]);
});

test('jwt is read in both styles, globally and on a route, with its own default leeway', () => {
  const flat = 'issuer: https://i.example, audience: [a], algorithms: [RS256], clock_skew: 5s';
  const styles = [`validation: { issuer: https://i.example, audience: a, algorithm: RS256, clock_skew_tolerance: 5s }`, flat];
  const [inner, outer] = styles.map((one) => parse(`fluxgate: { auth: { jwt: { jwks_uri: https://i.example/k, ${one} } } }`));
  expect(inner?.diagnostics).toEqual([]);
  expect(inner?.input).toEqual(outer?.input);
  expect(jwtOf('clockSkewTolerance: 7s').input.routes[0]?.middleware[0]).toMatchObject({ jwt: { clockSkewMs: 7000 } });
  expect(jwtOf('cache_ttl: 1m').input.routes[0]?.middleware[0]).toMatchObject({
    jwt: { clockSkewMs: 60_000, algorithms: ['RS256', 'ES256', 'ES384'] },
  });
  expect(
    parse('fluxgate: { auth: { jwt: { jwks_uri: https://i.example/k, issuer: https://i.example, audience: a } } }').input.settings
      .jwt,
  ).toMatchObject({ clockSkewMs: 120_000, cacheTtlMs: 300_000 });
});

test.each(['HS256', 'none', 'None', 'HS512'])('the algorithm %s is refused', (algorithm) => {
  expect(jwtOf(`algorithms: [RS256, ${algorithm}]`).diagnostics).toMatchObject([{ severity: 'error', code: 'bad_value' }]);
});

test('a jwt block that would take tokens of any issuer or for any audience is refused', () => {
  expect(codes(route('middleware: [{ jwt: { jwks_uri: https://i.example/k } }]'))).toEqual(['missing_field', 'missing_field']);
  expect(
    codes(route('middleware: [{ jwt: { jwks_uri: https://i.example/k, issuer: https://i.example, audience: [] } }]')),
  ).toEqual(['bad_value']);
});

test('a middleware of the list cannot be switched off: it would look like protection', () => {
  expect(jwtOf('enabled: false').diagnostics).toMatchObject([{ code: 'unknown_field' }]);
});

test('`auth: none` beside a credential is a contradiction, also when it is an alternative', () => {
  expect(codes(route('auth: none\nmiddleware: [{ any_of: [{ api_key: {} }] }]'))).toEqual(['conflict']);
  expect(codes(route('auth: none\nmiddleware: [{ rate_limit: { rate: 5/s, by: address } }]'))).toEqual([]);
});

test('a middleware without fields needs no braces', () => {
  expect(parse(route('middleware:\n  - api_key:')).input.routes[0]?.middleware).toEqual([
    { kind: 'api_key', scopes: [], queryParameter: null },
  ]);
  expect(codes(route('middleware: []'))).toEqual([]);
});

test('fields that slipped to the level of their middleware are told to be indented', () => {
  expect(told(route('middleware:\n  - api_key:\n    scopes: [a]'))).toEqual(['5:5 conflict indent the fields below the kind']);
});

test('burst is the count of the rate unless given', () => {
  expect(parse(route('middleware: [{ rate_limit: { rate: 100/s } }]')).input.routes[0]?.middleware[0]).toMatchObject({
    burst: 100,
    by: 'key',
    onAuthorityLoss: 'local',
  });
});

test('tiers keep the order of the file even if their names are numbers', () => {
  expect(
    parse('tiers: { b: { scope: b, rate: 1/s }, 2: { scope: c, rate: 1/s }, 1: { scope: d, rate: 1/s } }').input.tiers?.map(
      (tier) => tier.name,
    ),
  ).toEqual(['b', '2', '1']);
});

test('a route prefix is stored in its canonical spelling', () => {
  expect(parse('route: /a/./b/%7Ec/\nhost: API.Example.com').input.routes[0]).toMatchObject({
    prefix: '/a/b/~c',
    host: 'api.example.com',
    name: 'api.example.com/a/b/~c',
  });
});

test.each([
  ['http://u:p@h', 'a password'],
  ['http://h?x=1', 'a query'],
  ['http://h#x', 'a fragment'],
  ['ftp://h', 'another scheme'],
  ['http://0x7f.1', 'a disguised address'],
  ['http:/h', 'a missing slash'],
  ['http://h\\@evil', 'a backslash'],
  ['http://h:0', 'port 0'],
  ['http://bücher.example', 'a host outside ASCII'],
])('the URL %s is refused for %s', (url) => {
  expect(codes(`upstreams: { a: { targets: [${JSON.stringify(url)}] } }`)).toEqual(['bad_value']);
});

test.each([
  'client_secret: x',
  'clientSecret: x',
  'client_secret_ref: x',
  'client_secret_ref: "vault:a/b"',
  'client_secret_ref: "env:A-B"',
  'client_secret_ref: "file:../x"',
])('a client secret must be a reference: %s is refused', (field) => {
  const found = parse(`fluxgate: { auth: { oauth2: { issuer: https://i.example, client_id: c, ${field} } } }`).diagnostics;
  expect(found).toMatchObject([{ severity: 'error' }]);
  expect(found[0]?.remedy).toMatch(/vault:|env:|file:/);
});

test.each(['vault:secret/data/oauth2#client_secret', 'file:/etc/fluxgate/secrets/x', 'env:FLUXGATE_SECRET_X'])(
  'the reference %s is taken',
  (ref) => {
    expect(
      codes(`fluxgate: { auth: { oauth2: { issuer: https://i.example, client_id: c, client_secret_ref: "${ref}" } } }`),
    ).toEqual([]);
  },
);

test('blocks and objects may be spread over documents and files, but said only once', () => {
  const { input, diagnostics } = parse(
    'fluxgate: { public_url: https://a.example }\n---\nfluxgate: { trusted_proxies: ["10.0.0.0/8"] }',
    'upstreams: { a: { targets: ["http://a"] } }\n---\nroute: /a',
  );
  expect(diagnostics).toEqual([]);
  expect(input.settings).toEqual({ publicUrl: 'https://a.example', trustedProxies: ['10.0.0.0/8'] });
  const twice = parse(
    'upstreams: { a: { targets: ["http://a"] } }\n---\nroute: /a',
    'tiers: {}\nupstreams: { a: { targets: ["http://b"] } }\n---\nroute: /a\n---\ntiers: {}',
  );
  expect(twice.diagnostics.map((one) => [one.file, one.line, one.code])).toEqual([
    ['1.yaml', 2, 'duplicate_object'],
    ['1.yaml', 4, 'duplicate_object'],
    ['1.yaml', 6, 'duplicate_object'],
  ]);
});

test('applying one block leaves every other block, route and upstream as it was', () => {
  const before = mergeConfig(
    emptyConfig(),
    parse(
      'fluxgate: { public_url: https://a.example, auth: { api_key: {} } }\nupstreams: { a: { targets: ["http://a"] }, b: { targets: ["http://b"] } }\ntiers: { t: { scope: s, rate: 1/s } }\n---\nroute: /a',
    ).input,
  );
  const jwt = 'fluxgate: { auth: { jwt: { issuer: https://i.example, audience: a, jwks_uri: https://i.example/k } } }';
  const after = mergeConfig(before, parse(jwt).input);
  expect(after).toEqual({ ...before, settings: { ...before.settings, jwt: after.settings.jwt } });
  expect(mergeConfig(after, parse(jwt).input)).toEqual(after);
  const moved = mergeConfig(
    before,
    parse('upstreams: { a: { targets: ["http://c"] } }\ntiers: { u: { scope: s, rate: 2/s } }').input,
  );
  expect(moved.upstreams.map((one) => [one.name, one.targets[0]?.url])).toEqual([
    ['a', 'http://c'],
    ['b', 'http://b'],
  ]);
  expect(moved.tiers.map((one) => one.name)).toEqual(['u']);
});

test.each([
  ['_format_version: "3.0"\nservices: []', 'a file of Kong'],
  ['routes: []', 'a list of routes'],
  ['fluxgate: { upstreams: {} }', 'upstreams one level too deep'],
  ['auth: { api_key: {} }', 'auth one level too high'],
  ['route: /a\ntiers: {}', 'a route and tiers in one document'],
  ['route: "GET /a"', 'a method in the route'],
  ['route: api.example.com/a', 'a host in the route'],
  ['route: /users/{id}', 'a path parameter'],
  ['route: /a\nstrip_path: true', 'a rewrite'],
  ['route: /a\nauth: off', 'auth: off'],
])('%j: the remedy for %s says what to write', (text) => {
  const { diagnostics } = parse(text);
  expect(diagnostics.length).toBeGreaterThan(0);
  for (const one of diagnostics) expect(one.remedy).not.toBeNull();
});
