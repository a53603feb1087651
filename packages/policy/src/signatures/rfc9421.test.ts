import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { parseDictionary } from '../fields/parse.ts';
import { type InnerList, isInnerList } from '../fields/structured.ts';
import { signatureBase } from './base.ts';
import type { SignedMessage } from './message.ts';

// The request, the keys and the signatures of RFC 9421, Appendix B.
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  host: ['example.com'],
  date: ['Tue, 20 Apr 2021 02:07:55 GMT'],
  'content-type': ['application/json'],
  'content-digest': ['sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:'],
  'content-length': ['18'],
};
const REQUEST: SignedMessage = {
  method: 'POST',
  scheme: 'https',
  authority: 'example.com',
  target: '/foo?param=Value&Pet=dog',
  path: '/foo',
  query: 'param=Value&Pet=dog',
  hasBody: true,
  fieldValues: (name) => FIELDS[name] ?? [],
};
const SHARED_SECRET = Buffer.from(
  'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==',
  'base64',
);
const ED25519 = createPublicKey({
  format: 'jwk',
  key: { kty: 'OKP', crv: 'Ed25519', x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs' },
});

function inputOf(text: string): InnerList {
  const reading = parseDictionary(text);
  const [member] = reading.ok ? reading.value.values() : [];
  if (member === undefined || !isInnerList(member)) throw new Error('no inner list');
  return member;
}
const baseOf = (input: string, message: SignedMessage = REQUEST): string => {
  const base = signatureBase(message, inputOf(input));
  return base.ok ? base.value : `refused: ${base.why}`;
};

test('B.2.5: the hmac-sha256 signature of the RFC is over the base made here', () => {
  const base = baseOf('sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"');
  expect(base).toBe(
    [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@authority": example.com',
      '"content-type": application/json',
      '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    ].join('\n'),
  );
  const signature = Buffer.from('pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=', 'base64');
  expect(timingSafeEqual(createHmac('sha256', SHARED_SECRET).update(base, 'latin1').digest(), signature)).toBe(true);
});

test('B.2.6: the ed25519 signature of the RFC is over the base made here', () => {
  const base = baseOf(
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
  );
  const signature = Buffer.from(
    'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==',
    'base64',
  );
  expect(verify(null, Buffer.from(base, 'latin1'), ED25519, signature)).toBe(true);
  const changed = baseOf(
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884474;keyid="test-key-ed25519"',
  );
  expect(verify(null, Buffer.from(changed, 'latin1'), ED25519, signature)).toBe(false);
});

test('2.5: the example of a signature base', () => {
  const input =
    'sig1=("@method" "@authority" "@path" "content-digest" "content-length" "content-type");created=1618884473;keyid="test-key-rsa-pss"';
  expect(baseOf(input)).toBe(
    [
      '"@method": POST',
      '"@authority": example.com',
      '"@path": /foo',
      `"content-digest": ${FIELDS['content-digest']?.[0]}`,
      '"content-length": 18',
      '"content-type": application/json',
      '"@signature-params": ("@method" "@authority" "@path" "content-digest" "content-length" "content-type");created=1618884473;keyid="test-key-rsa-pss"',
    ].join('\n'),
  );
});

const lines: Readonly<Record<string, readonly string[]>> = {
  'x-ows-header': ['Leading and trailing whitespace.'],
  'cache-control': ['max-age=60', 'must-revalidate'],
  'example-dict': ['a=1, b=2;x=1;y=2, c=(a   b    c), d'],
  'x-empty-header': [''],
  'example-header': ['value, with, lots', 'of, commas'],
};
const about = (over: Partial<SignedMessage>): SignedMessage => ({
  ...REQUEST,
  fieldValues: (name) => lines[name] ?? [],
  ...over,
});
const line = (component: string, message: SignedMessage): string => baseOf(`s=(${component})`, message).split('\n')[0] ?? '';

test.each([
  ['"cache-control"', '"cache-control": max-age=60, must-revalidate'],
  ['"x-empty-header"', '"x-empty-header": '],
  ['"example-dict";key="a"', '"example-dict";key="a": 1'],
  ['"example-dict";key="b"', '"example-dict";key="b": 2;x=1;y=2'],
  ['"example-dict";key="c"', '"example-dict";key="c": (a b c)'],
  ['"example-dict";key="d"', '"example-dict";key="d": ?1'],
  ['"example-header";bs', '"example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:'],
])('2.1: the field line of %s', (component, expected) => {
  expect(line(component, about({}))).toBe(expected);
});

const query = 'param=value&foo=bar&baz=batman&qux=';
const asked = about({
  method: 'POST',
  authority: 'www.example.com',
  target: `/path?${query}`,
  path: '/path',
  query,
});
test.each([
  ['"@method"', '"@method": POST'],
  ['"@target-uri"', `"@target-uri": https://www.example.com/path?${query}`],
  ['"@authority"', '"@authority": www.example.com'],
  ['"@scheme"', '"@scheme": https'],
  ['"@request-target"', `"@request-target": /path?${query}`],
  ['"@path"', '"@path": /path'],
  ['"@query"', `"@query": ?${query}`],
  ['"@query-param";name="baz"', '"@query-param";name="baz": batman'],
  ['"@query-param";name="qux"', '"@query-param";name="qux": '],
])('2.2: the derived component %s', (component, expected) => {
  expect(line(component, asked)).toBe(expected);
});

test('2.2.7, 2.2.8: an absent query is a lone question mark; a parameter is read as a form and written with %20', () => {
  expect(line('"@query"', about({ query: '', target: '/path' }))).toBe('"@query": ?');
  const encoded = 'var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something';
  const message = about({ query: encoded });
  expect(line('"@query-param";name="var"', message)).toBe('"@query-param";name="var": this%20is%20a%20big%0Amultiline%20value');
  expect(line('"@query-param";name="bar"', message)).toBe('"@query-param";name="bar": with%20plus%20whitespace');
  expect(line('"@query-param";name="fa%C3%A7ade%22%3A%20"', message)).toBe(
    '"@query-param";name="fa%C3%A7ade%22%3A%20": something',
  );
});

test.each([
  ['"@method" "@method"', 'twice'],
  ['"example-dict";key="a";bs', 'not understood'],
  ['"x-missing"', 'not there'],
  ['"X-Empty-Header"', 'lower case'],
  ['"@status"', 'no component'],
  ['"@signature-params"', 'no component'],
  ['"@method";req', 'not understood'],
  ['"x-empty-header";tr', 'not understood'],
  ['"example-dict";sf', 'not understood'],
  ['"example-dict";key="z"', 'no such key'],
  ['"@query-param";name="foo"', '2 query parameters'],
  ['foo', 'not named by a string'],
])('the components %s make no base', (components, why) => {
  const message = about({ query: 'foo=1&foo=2' });
  expect(baseOf(`s=(${components})`, message)).toMatch(new RegExp(`^refused: .*${why}`));
});
