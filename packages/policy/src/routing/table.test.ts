import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { buildRouteTable, type RouteKey } from './table.ts';

const key = (prefix: string, host: string | null = null, methods: readonly string[] | null = null): RouteKey => ({
  name: `${methods?.join('+') ?? ''}${host ?? ''}${prefix}`,
  prefix,
  host,
  methods,
});
const table = (...keys: RouteKey[]) => buildRouteTable(keys.map((one) => ({ key: one, route: one.name })));
const found = (built: ReturnType<typeof table>, host: string, path: string, method = 'GET'): string => {
  const match = built.match(host, path, method);
  return match.route ?? `${match.refusal}${match.allow === undefined ? '' : ` ${match.allow}`}`;
};

test('a prefix matches on segment boundaries only', () => {
  const built = table(key('/public'));
  expect(found(built, 'h', '/public')).toBe('/public');
  expect(found(built, 'h', '/public/')).toBe('/public');
  expect(found(built, 'h', '/public/x/y')).toBe('/public');
  expect(found(built, 'h', '/publicity')).toBe('no_route');
  expect(found(built, 'h', '/publi')).toBe('no_route');
  expect(found(built, 'h', '/')).toBe('no_route');
  expect(found(built, 'h', '/x/public')).toBe('no_route');
});

test('the longest prefix wins, and the root takes the rest', () => {
  const built = table(key('/'), key('/a/b/c'), key('/a'));
  expect(found(built, 'h', '/a/b/c/d')).toBe('/a/b/c');
  expect(found(built, 'h', '/a/b/x')).toBe('/a');
  expect(found(built, 'h', '/a/b')).toBe('/a');
  expect(found(built, 'h', '/z')).toBe('/');
  expect(found(built, 'h', '/')).toBe('/');
});

test('an exact host beats any host where prefixes tie, and a longer prefix beats both', () => {
  const built = table(key('/a'), key('/a', 'api.example.com'), key('/a/b'), key('/', 'api.example.com'));
  expect(found(built, 'api.example.com', '/a')).toBe('api.example.com/a');
  expect(found(built, 'other.example.com', '/a')).toBe('/a');
  expect(found(built, 'api.example.com', '/a/b')).toBe('/a/b');
  expect(found(built, 'api.example.com', '/x')).toBe('api.example.com/');
  expect(found(built, 'other.example.com', '/x')).toBe('no_route');
  expect(found(built, '', '/a')).toBe('/a');
});

test('a host is compared whole', () => {
  const built = table(key('/', 'example.com'));
  for (const host of ['api.example.com', 'example.com.evil', 'xexample.com', 'constructor', '__proto__', ''])
    expect(found(built, host, '/')).toBe('no_route');
});

test('routes of one prefix are split by method, and none fits is a 405 that says which do', () => {
  const built = table(key('/a', null, ['GET', 'HEAD']), key('/a', null, ['POST']), key('/'));
  expect(found(built, 'h', '/a', 'GET')).toBe('GET+HEAD/a');
  expect(found(built, 'h', '/a', 'POST')).toBe('POST/a');
  expect(found(built, 'h', '/a', 'DELETE')).toBe('method_not_allowed GET, HEAD, POST');
});

test('a wrong method never falls through to a shorter prefix or another host', () => {
  const built = table(key('/a', null, ['GET']), key('/'), key('/b', 'x.test', ['GET']), key('/b'));
  expect(found(built, 'h', '/a', 'POST')).toBe('method_not_allowed GET');
  expect(found(built, 'x.test', '/b', 'POST')).toBe('method_not_allowed GET');
  expect(found(built, 'y.test', '/b', 'POST')).toBe('/b');
});

test('HEAD goes only where it is listed or everything is', () => {
  const built = table(key('/get', null, ['GET']), key('/both', null, ['GET', 'HEAD']), key('/any'));
  expect(found(built, 'h', '/get', 'HEAD')).toBe('method_not_allowed GET');
  expect(found(built, 'h', '/both', 'HEAD')).toBe('GET+HEAD/both');
  expect(found(built, 'h', '/any', 'HEAD')).toBe('/any');
});

test('methods are compared as sent', () => {
  expect(found(table(key('/', null, ['GET'])), 'h', '/', 'get')).toBe('method_not_allowed GET');
});

test('a named method beats a route of the same prefix that takes any', () => {
  const built = table(key('/a'), key('/a', null, ['DELETE']));
  expect(found(built, 'h', '/a', 'DELETE')).toBe('DELETE/a');
  expect(found(built, 'h', '/a', 'GET')).toBe('/a');
});

test('two spellings of a delimiter reach the same route', () => {
  const built = table(key('/'), key('/things:admin'), key('/%40me'));
  expect(found(built, 'h', '/things%3Aadmin/x')).toBe('/things:admin');
  expect(found(built, 'h', '/@me')).toBe('/%40me');
});

test('segments named like object properties are only segments', () => {
  const built = table(key('/a'));
  for (const path of ['/__proto__', '/constructor', '/hasOwnProperty/a']) expect(found(built, 'h', path)).toBe('no_route');
});

test('the table agrees with asking every route one by one', () => {
  const segment = fc.constantFrom('a', 'b', 'ab', 'c');
  const path = fc.array(segment, { maxLength: 5 }).map((all) => `/${all.join('/')}`);
  const host = fc.constantFrom(null, 'x.test', 'y.test');
  const methods = fc.constantFrom(null, ['GET'], ['POST', 'PUT']);
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(path, host, methods), { maxLength: 15, selector: (one) => one.join('|') }),
      path,
      fc.constantFrom('x.test', 'y.test', 'z.test'),
      fc.constantFrom('GET', 'POST', 'DELETE'),
      (routes, asked, askedHost, method) => {
        const keys = routes.map(([prefix, one, all]) => key(prefix, one, all));
        const fits = keys.filter(
          (one) =>
            (one.host === null || one.host === askedHost) && (one.prefix === '/' || `${asked}/`.startsWith(`${one.prefix}/`)),
        );
        const length = Math.max(...fits.map((one) => one.prefix.length));
        const longest = fits.filter((one) => one.prefix.length === length);
        const exact = longest.filter((one) => one.host !== null);
        const group = exact.length > 0 ? exact : longest;
        const winner = group.find((one) => one.methods?.includes(method)) ?? group.find((one) => one.methods === null);
        const match = table(...keys).match(askedHost, asked, method);
        expect(match.route ?? match.refusal).toBe(fits.length === 0 ? 'no_route' : (winner?.name ?? 'method_not_allowed'));
      },
    ),
    { numRuns: 1000 },
  );
});

test('a match makes nothing anew: the same answer is the same object', () => {
  const built = table(key('/a', null, ['GET']));
  expect(built.match('h', '/a', 'GET')).toBe(built.match('h', '/a/b', 'GET'));
  expect(built.match('h', '/a', 'PUT')).toBe(built.match('h', '/a/b', 'PUT'));
  expect(Object.isFrozen(built.match('h', '/a', 'GET'))).toBe(true);
});

test('a path with ten thousand segments is answered as fast as routes are deep', () => {
  const built = table(key('/'), key('/a/a/a'));
  const path = '/a'.repeat(10_000);
  expect(found(built, 'h', path)).toBe('/a/a/a');
});

test('an explanation names what won and why every other candidate lost', () => {
  const built = table(
    key('/'),
    key('/api'),
    key('/api/v2', 'api.example.com'),
    key('/api/v2'),
    key('/api/v2', 'api.example.com', ['POST']),
    key('/ap'),
    key('/elsewhere'),
    key('/api/v2', 'other.test'),
  );
  const { match, others } = built.explain('api.example.com', '/api/v2/x', 'GET');
  expect(match.route).toBe('api.example.com/api/v2');
  const why = Object.fromEntries(others.map((one) => [one.route, one.why]));
  expect(why['/']).toContain('a longer prefix matches: /api/v2');
  expect(why['/api']).toContain('a longer prefix matches: /api/v2');
  expect(why['/api/v2']).toContain('exactly api.example.com');
  expect(why['POSTapi.example.com/api/v2']).toContain('takes POST, not GET');
  expect(why['other.test/api/v2']).toContain('only for host other.test');
  expect(why['/ap']).toContain('inside a segment');
  expect(why['/elsewhere']).toBeUndefined();
  expect(others.at(-1)?.route).toBe('/');
});

test('an explanation of a 405 and of a 404 says what would have been needed', () => {
  const built = table(key('/a', null, ['GET']), key('/b', 'x.test'));
  const refused = built.explain('h', '/a', 'PUT');
  expect(refused.match).toEqual({ refusal: 'method_not_allowed', allow: 'GET' });
  expect(refused.others).toEqual([{ route: 'GET/a', why: 'takes GET, not PUT' }]);
  const missing = built.explain('h', '/b', 'GET');
  expect(missing.match).toEqual({ refusal: 'no_route' });
  expect(missing.others).toEqual([{ route: 'x.test/b', why: 'only for host x.test, the request is for h' }]);
});
