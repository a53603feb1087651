import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compilePlan } from '../plan/compile.ts';
import { judgeConfig } from '../plan/judge.ts';
import { byJwt, config, jwtSettings, route, settings, upstream } from '../plan/sample-config.ts';
import { canonicalTarget } from '../routing/target.ts';
import { compileCors } from './cors.ts';
import { type CorsSpec, PLAIN_LISTENER, PLAIN_UPSTREAM, type RequestChanges } from './model.ts';
import { readOrigin } from './origins.ts';
import { formatSize, parseSize } from './sizes.ts';
import { changedPath } from './transform.ts';

const cors = (change: Partial<CorsSpec> = {}): CorsSpec => ({
  origins: ['https://a.test'],
  methods: null,
  headers: null,
  expose: [],
  credentials: false,
  maxAgeMs: 600_000,
  ...change,
});
const request = (change: Partial<RequestChanges> = {}): RequestChanges => ({
  set: {},
  add: {},
  remove: [],
  stripPrefix: false,
  rewritePrefix: null,
  host: 'preserve',
  ...change,
});
const field = (fields: readonly string[], name: string): string | undefined => {
  const at = fields.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
  return at < 0 ? undefined : fields[at + 1];
};
const codes = (change: Parameters<typeof config>[0]): string[] => judgeConfig(config(change)).map((one) => one.code);

test('an origin that is listed is told so by name, with Vary, and any other gets nothing but Vary', () => {
  const compiled = compileCors(cors({ credentials: true, expose: ['ETag'] }), null);
  const allowed = compiled.answer('https://a.test');
  expect(field(allowed, 'access-control-allow-origin')).toBe('https://a.test');
  expect(field(allowed, 'access-control-allow-credentials')).toBe('true');
  expect(field(allowed, 'access-control-expose-headers')).toBe('ETag');
  expect(field(allowed, 'vary')).toBe('Origin');
  for (const stranger of [
    'https://evil.test',
    'http://a.test',
    'https://a.test.evil.test',
    'https://a.test:8443',
    'null',
    '',
    undefined,
  ])
    expect(compiled.answer(stranger)).toEqual(['Vary', 'Origin']);
});

test('any origin is answered with a star and never with credentials, even where a configuration slipped through', () => {
  const compiled = compileCors(cors({ origins: '*', credentials: true }), null);
  expect(compiled.answer('https://anyone.test')).toEqual(['Access-Control-Allow-Origin', '*']);
  expect(field(compiled.preflight('https://anyone.test', undefined), 'access-control-allow-credentials')).toBeUndefined();
});

test('a wildcard stands for labels below the name, and for nothing that only looks like it', () => {
  const compiled = compileCors(cors({ origins: ['https://*.a.test:8443'] }), null);
  const allows = (origin: string): boolean => field(compiled.answer(origin), 'access-control-allow-origin') === origin;
  expect(allows('https://x.a.test:8443')).toBe(true);
  expect(allows('https://y.x.a.test:8443')).toBe(true);
  for (const not of [
    'https://a.test:8443',
    'https://.a.test:8443',
    'https://xa.test:8443',
    'https://x.a.test',
    'https://evil.test#.a.test:8443',
    'https://evil.test/.a.test:8443',
    'https://evil.test:1.a.test:8443',
  ])
    expect(allows(not)).toBe(false);
});

test('a preflight names the methods of the route and mirrors the headers it was asked for, if they are names', () => {
  const compiled = compileCors(cors(), ['GET', 'PUT']);
  const fields = compiled.preflight('https://a.test', 'x-key, content-type');
  expect(field(fields, 'access-control-allow-methods')).toBe('GET, PUT');
  expect(field(fields, 'access-control-allow-headers')).toBe('x-key, content-type');
  expect(field(fields, 'access-control-max-age')).toBe('600');
  expect(field(fields, 'vary')).toContain('Access-Control-Request-Headers');
  for (const odd of ['x\r\ny', 'a b', '', ',', 'x'.repeat(2000)])
    expect(field(compiled.preflight('https://a.test', odd), 'access-control-allow-headers')).toBeUndefined();
  const closed = compileCors(cors({ headers: ['X-Key'] }), null);
  expect(field(closed.preflight('https://a.test', 'x-other'), 'access-control-allow-headers')).toBe('X-Key');
});

test.each([
  ['HTTPS://App.Example.com:443', 'https://app.example.com'],
  ['http://a:80', 'http://a'],
  ['http://a:8080', 'http://a:8080'],
  ['https://[::1]:8443', 'https://[::1]:8443'],
])('the origin %s is compared as %s', (given, kept) => {
  expect(readOrigin(given)).toEqual({ ok: true, value: kept });
});

test.each(['null', 'a.test', 'https://a.test/', 'https://*', 'https://a.*.test', 'https://u@a.test', 'https://a.test?x', ''])(
  'the origin %j is refused with a reason',
  (given) => {
    expect(readOrigin(given)).toMatchObject({ ok: false, why: expect.any(String) });
  },
);

test('the path behind a stripped or rewritten prefix is as canonical as the one before', () => {
  const segment = fc.stringMatching(/^[a-z0-9@._~%-]{1,6}$/);
  fc.assert(
    fc.property(
      fc.array(segment, { maxLength: 5 }),
      fc.boolean(),
      fc.constantFrom('', '/v2', '/v2/x'),
      fc.nat({ max: 5 }),
      (parts, slash, prefix, cut) => {
        const given = canonicalTarget(`/${parts.join('/')}${slash && parts.length > 0 ? '/' : ''}`);
        if (!given.ok) return;
        const depth = given.path === '/' ? 0 : given.path.split('/').length - 1;
        const change = { segments: Math.min(cut, depth), prefix, cut: '' };
        const path = changedPath(given.path, change);
        expect(canonicalTarget(path)).toEqual({ ok: true, path, query: '' });
      },
    ),
  );
});

test.each([
  ['/api', true, null, '/api/x', '/x'],
  ['/api', true, null, '/api', '/'],
  ['/api', true, null, '/api/', '/'],
  ['/a/b', false, '/v2', '/a/b/c', '/v2/c'],
  ['/a/b', false, '/v2', '/a/b', '/v2'],
  ['/', false, '/v2', '/c', '/v2/c'],
  ['/a@b', true, null, '/a%40b/c', '/c'],
  ['/', true, null, '/c', '/c'],
])('on route %s (strip %j, rewrite %j) %s goes upstream as %s', (prefix, stripPrefix, rewritePrefix, path, sent) => {
  const [compiled] = compilePlan(
    config({ routes: [route(prefix, { request: request({ stripPrefix, rewritePrefix }) })] }),
  ).routes;
  const change = compiled?.requestTransform?.path ?? null;
  expect(change === null ? path : changedPath(path, change)).toBe(sent);
});

test('no transform reaches framing, forwarding, Host or identity: the judge refuses it and the plan leaves it out', () => {
  const names = [
    'Content-Length',
    'transfer_encoding',
    'Connection',
    'Host',
    'X-Forwarded-For',
    'X-FluxGate-Principal',
    'x_fluxgate_scopes',
    'X-User-Id',
    'bad name',
    'X-Key',
  ];
  for (const name of names) {
    const change = {
      settings: settings({
        apiKey: { ...settings().apiKey!, headerName: 'X-Key' },
        jwt: jwtSettings({ claimsToHeaders: { sub: 'X-User-Id' } }),
      }),
      routes: [
        route('/', { middleware: [byJwt], request: request({ set: { [name]: '1' }, add: { [name]: '1' }, remove: [name] }) }),
      ],
    };
    expect(codes(change).filter((code) => code === 'header_invalid')).toHaveLength(3);
    expect(compilePlan(config(change)).routes[0]!.requestTransform).toBeNull();
  }
  const split = { routes: [route('/', { response: { set: { 'X-A': 'a\r\nSet-Cookie: b' }, add: {}, remove: [] } })] };
  expect(codes(split)).toContain('header_invalid');
  expect(compilePlan(config(split)).routes[0]!.responseTransform?.put).toEqual([]);
});

test('a route that uses nothing of it compiles to nothing of it', () => {
  const plan = compilePlan(config());
  expect(plan.routes[0]).toMatchObject({
    cors: null,
    requestTransform: null,
    responseTransform: null,
    bodyMaxBytes: null,
    websocket: null,
    serverTiming: false,
  });
  expect([plan.addressLimit, plan.anyCors]).toEqual([null, false]);
});

test('what is dangerous or cannot work at the edges is told before it is applied', () => {
  expect(codes({ routes: [route('/', { cors: cors({ origins: '*', credentials: true }) })] })).toContain('cors_open');
  expect(codes({ routes: [route('/', { cors: cors({ origins: ['null'] }) })] })).toContain('cors_invalid');
  expect(codes({ routes: [route('/', { request: request({ host: 'a\r\nX: y' }) })] })).toContain('host_invalid');
  const listener = { address: '0.0.0.0:8443', tls: [], ...PLAIN_LISTENER };
  const listening = (...listeners: object[]) =>
    codes({ settings: settings({ listeners: listeners.map((one) => ({ ...listener, ...one })) }) });
  expect(listening({})).not.toContain('listener_invalid');
  expect(listening({}, {})).toContain('listener_invalid');
  expect(listening({ address: 'localhost:8443' })).toContain('listener_invalid');
  expect(listening({ tls: [{ cert: 'file:../../etc/x', key: 'file:a' }] })).toContain('listener_invalid');
  expect(listening({ tls: [{ cert: 'vault:a#b', key: 'file:a' }] })).toContain('listener_invalid');
  expect(listening({ clientCerts: 'required' })).toContain('listener_invalid');
  expect(listening({ proxyProtocol: 'v2' })).toContain('proxy_protocol_untrusted');
  const tls = { ca: null, sni: null, verify: false };
  expect(codes({ upstreams: [upstream({ ...PLAIN_UPSTREAM, targets: [{ url: 'https://a', weight: 1 }], tls })] })).toContain(
    'upstream_tls',
  );
});

test('a size is read back exactly as it was written, and one without a unit is told what to write', () => {
  fc.assert(fc.property(fc.nat(), (bytes) => expect(parseSize(formatSize(bytes))).toEqual({ ok: true, value: bytes })));
  expect(parseSize('1048576')).toMatchObject({ ok: false, remedy: 'write 1MiB' });
  expect(parseSize('10mb')).toMatchObject({ ok: false, remedy: 'write 10MiB' });
});
