import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalPrefix, canonicalTarget, routingPath } from './target.ts';

const pathOf = (raw: string): string | null => {
  const target = canonicalTarget(raw);
  return target.ok ? target.path : null;
};

test.each([
  ['/', '/'],
  ['/a', '/a'],
  ['/a/', '/a/'],
  ['/a/b.c/.well-known/x', '/a/b.c/.well-known/x'],
  ['/a..b/...', '/a..b/...'],
  ["/a-_~!$&'()*+,=:@b", "/a-_~!$&'()*+,=:@b"],
  ['/.', '/'],
  ['/..', '/'],
  ['/a/.', '/a/'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/a/./b', '/a/b'],
  ['/a/../b', '/b'],
  ['/a/b/../../c', '/c'],
  ['/../../a', '/a'],
  ['/a/../../..', '/'],
  ['/%61dmin', '/admin'],
  ['/%41%7a%30%2D%5f%7E', '/Az0-_~'],
  ['/a/%2e%2e/b', '/b'],
  ['/a/%2E./b', '/b'],
  ['/a/.%2e/b', '/b'],
  ['/a%c3%a4', '/a%C3%A4'],
  ['/a%3a%40', '/a%3A%40'],
  ['/a%20b', '/a%20b'],
  ['/%02', '/%02'],
  ['/what%3f', '/what%3F'],
  ['/100%25', '/100%25'],
  ['/100%25/x', '/100%25/x'],
  ['/100%25zz', '/100%25zz'],
  ['/a|b', '/a%7Cb'],
  ['/{id}', '/%7Bid%7D'],
  ['/[0]', '/%5B0%5D'],
  ['/"<>^`', '/%22%3C%3E%5E%60'],
])('%s is the path %s', (raw, path) => {
  expect(pathOf(raw)).toBe(path);
});

test.each([
  ['', 'start with a slash'],
  ['*', 'start with a slash'],
  ['a/b', 'start with a slash'],
  ['http://h/a', 'start with a slash'],
  ['../etc/passwd', 'start with a slash'],
  ['?a', 'start with a slash'],
  ['//a', 'empty segment'],
  ['/a//b', 'empty segment'],
  ['/a//', 'empty segment'],
  ['/a/..//b', 'empty segment'],
  ['/a\\b', 'backslash'],
  ['/a;v=1/b', 'semicolon'],
  ['/a#b', 'fragment'],
  ['/a?b#c', 'fragment'],
  ['/a b', 'blank'],
  ['/a\tb', 'control'],
  ['/a\0b', 'control'],
  ['/a\x7fb', 'control'],
  ['/\u00e4', 'outside ASCII'],
  ['/a?\u00e4', 'outside ASCII'],
  ['/a?b c', 'blank'],
  ['/a?b\r\nX: y', 'control'],
  ['/a?\0', 'control'],
  ['/%', 'starts no escape'],
  ['/%4', 'starts no escape'],
  ['/%zz', 'starts no escape'],
  ['/%%36%36', 'starts no escape'],
  ['/%u0041', 'starts no escape'],
  ['/a%2fb', '%2F'],
  ['/a%2Fb', '%2F'],
  ['/a%5cb', '%5C'],
  ['/a%00b', '%00'],
  ['/a%23b', '%23'],
  ['/a%3bb', '%3B'],
  ['/a%3Bb', '%3B'],
  ['/%252e%252e/b', 'twice'],
  ['/a%252fb', 'twice'],
  ['/a%25%32%66b', 'twice'],
  ['/a%2561', 'twice'],
  ['/a%25252f', 'twice'],
])('%j is refused, because of %s', (raw, why) => {
  const target = canonicalTarget(raw);
  expect(target.ok).toBe(false);
  expect(target).toMatchObject({ code: 'bad_target' });
  expect(target.ok ? '' : target.why).toContain(why);
});

test('the query is handed on byte for byte and no path rule touches it', () => {
  expect(canonicalTarget('/a/../b?c=../d//e;f=%2f%zz\\|?g')).toEqual({ ok: true, path: '/b', query: 'c=../d//e;f=%2f%zz\\|?g' });
  expect(canonicalTarget('/a?')).toEqual({ ok: true, path: '/a', query: '' });
  expect(canonicalTarget('/?a')).toEqual({ ok: true, path: '/', query: 'a' });
});

const piece = fc.constantFrom(
  '/',
  '.',
  '..',
  '%2e',
  '%2E',
  '%2f',
  '%5C',
  '\\',
  ';',
  '%3b',
  '#',
  '?',
  '%',
  '%25',
  '25',
  '2e',
  '%61',
  'a',
  'b',
  'A',
  '%c3%a4',
  '{',
  '|',
  ' ',
  '\0',
  'é',
  '%00',
  '~',
  '@',
  '%40',
  '%7e',
  '%7E',
);
const anyTarget = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((all) => `/${all.join('')}`),
  fc.string().map((text) => `/${text}`),
);

test('a canonical path is its own canonical form: reading twice changes nothing', () => {
  fc.assert(
    fc.property(anyTarget, (raw) => {
      const once = canonicalTarget(raw);
      if (once.ok) expect(canonicalTarget(once.path)).toEqual({ ok: true, path: once.path, query: '' });
    }),
    { numRuns: 5000 },
  );
});

test('what a canonical path is made of leaves nothing to interpret', () => {
  fc.assert(
    fc.property(anyTarget, (raw) => {
      const target = canonicalTarget(raw);
      if (!target.ok) return;
      expect(target.path).toMatch(/^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-F]{2})*$/);
      expect(target.path).not.toMatch(/\/\/|\/\.\.?(?:\/|$)|%2F|%5C|%00|%23|%3B/);
      for (const [, hex] of target.path.matchAll(/%([0-9A-F]{2})/g)) {
        expect(String.fromCharCode(Number.parseInt(hex as string, 16))).not.toMatch(/[A-Za-z0-9\-._~]/);
      }
      expect(target.query).not.toMatch(/[\0-\x20\x7f-\uffff#]/);
    }),
    { numRuns: 5000 },
  );
});

test('an upstream that decodes again finds no other path segment and no dot segment', () => {
  fc.assert(
    fc.property(anyTarget, (raw) => {
      const target = canonicalTarget(raw);
      if (!target.ok) return;
      const again = target.path.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
      expect(again.split('/').length).toBe(target.path.split('/').length);
      const twice = again.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
      expect(twice.split(/[/\\]/).filter((one) => one === '..' || one === '.')).toEqual([]);
    }),
    { numRuns: 5000 },
  );
});

test('encoded delimiters that mean the same to an upstream are one to the router', () => {
  expect(routingPath('/v1/things%3Aadmin')).toBe('/v1/things:admin');
  expect(routingPath('/%40me/%21%24%26%27%28%29%2A%2B%2C%3D')).toBe("/@me/!$&'()*+,=");
  expect(routingPath('/a%20b%3F%25')).toBe('/a%20b%3F%25');
});

test.each([
  ['/', '/'],
  ['/api/v2', '/api/v2'],
  ['/api/v2/', '/api/v2'],
  ['/%61pi', '/api'],
  ['/things:batch', '/things:batch'],
])('the prefix %s is %s', (text, path) => {
  expect(canonicalPrefix(text)).toEqual({ ok: true, path, query: '' });
});

test.each(['', 'api', '/api/*', '/users/{id}', '/a?b', '/a//b', '/a;b', '/a%2fb', '/a^', 'https://h/a'])(
  '%j is no prefix',
  (text) => {
    expect(canonicalPrefix(text)).toMatchObject({ ok: false, code: 'bad_target' });
  },
);
