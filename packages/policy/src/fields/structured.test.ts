import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { parseDictionary, parseItem, parseList } from './parse.ts';
import { serializeDictionary, serializeItem, serializeList } from './serialize.ts';
import { type BareItem, type FieldItem, type FieldMember, type FieldReading, isInnerList } from './structured.ts';

const item = (text: string): string => {
  const reading = parseItem(text);
  return reading.ok ? serializeItem(reading.value) : `refused: ${reading.why}`;
};

test.each([
  ['1', '1'],
  ['-0', '0'],
  ['999999999999999', '999999999999999'],
  ['1.50', '1.5'],
  ['2.000', '2.0'],
  ['"a \\"b\\" \\\\"', '"a \\"b\\" \\\\"'],
  ['*foo/bar:baz', '*foo/bar:baz'],
  [':aGVsbG8=:', ':aGVsbG8=:'],
  ['?1', '?1'],
  ['@1659578233', '@1659578233'],
  ['%"f%c3%bc%c3%bc"', '%"f%c3%bc%c3%bc"'],
  ['a;b;c=?1;d=?0; e=1', 'a;b;c;d=?0;e=1'],
  ['a;b=1;b=2', 'a;b=2'],
  ['  x  ', 'x'],
])('the item %s is written back as %s', (text, canonical) => {
  expect(item(text)).toBe(canonical);
});

test.each([
  '',
  '1000000000000000',
  '1.',
  '1.1234',
  '1234567890123.1',
  '-',
  '- 1',
  '"open',
  '"\\n"',
  '"\u00e4"',
  ':aGVsbG8:',
  ':aGVsbG9=:',
  ':aGVs bG8=:',
  ':aGVsbG8=',
  '?2',
  '@1.5',
  '%"%C3%BC"',
  '%"%ff"',
  'a;B=1',
  'a b',
  '\tx',
  '(1 2)',
])('the item %s is refused as a whole', (text) => {
  expect(item(text)).toMatch(/^refused/);
});

test('a dictionary keeps the place of a key that is given twice and takes its last value', () => {
  const reading = parseDictionary('a=1, b=(x "y");p, a=2,\tc');
  expect(reading.ok && serializeDictionary(reading.value)).toBe('a=2, b=(x "y");p, c');
});

test.each(['a=1,', 'a=1 b=2', 'A=1', 'a=', 'a=(1', 'a=(1,2)', 'a=("x""y")', ',a'])('the dictionary %s is refused', (text) => {
  expect(parseDictionary(text).ok).toBe(false);
});

test('base64 has one spelling: what is decoded is encoded to the same text', () => {
  for (let length = 0; length < 70; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length * 7) & 0xff);
    const text = encodeBase64(bytes);
    expect(text).toBe(Buffer.from(bytes).toString('base64'));
    expect(decodeBase64(text)).toEqual(bytes);
  }
  expect(decodeBase64('QR==')).toBeNull();
  expect(decodeBase64('QQ=')).toBeNull();
  expect(decodeBase64('=QQ=')).toBeNull();
});

// The vectors of the HTTP working group (httpwg/structured-field-tests), where a copy is at hand.
interface Vector {
  readonly name: string;
  readonly raw: readonly string[];
  readonly header_type: 'item' | 'list' | 'dictionary';
  readonly expected?: unknown;
  readonly must_fail?: boolean;
  readonly can_fail?: boolean;
  readonly canonical?: readonly string[];
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
function base32(bytes: Uint8Array): string {
  let out = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += BASE32.charAt((held >> bits) & 31);
    }
    held &= 31;
  }
  if (bits > 0) out += BASE32.charAt((held << (5 - bits)) & 31);
  return out.padEnd(Math.ceil(out.length / 8) * 8, '=');
}

function plainBare(bare: BareItem): unknown {
  if (bare.type === 'token') return { __type: 'token', value: bare.value };
  if (bare.type === 'bytes') return { __type: 'binary', value: base32(bare.value) };
  if (bare.type === 'date') return { __type: 'date', value: bare.value };
  if (bare.type === 'display') return { __type: 'displaystring', value: bare.value };
  return bare.value;
}
const plainParameters = (parameters: FieldItem['parameters']): unknown =>
  [...parameters].map(([name, bare]) => [name, plainBare(bare)]);
const plain = (member: FieldMember): unknown => [
  isInnerList(member) ? member.items.map(plain) : plainBare(member.bare),
  plainParameters(member.parameters),
];

function readAs(type: Vector['header_type'], text: string): FieldReading<{ readonly data: unknown; readonly text: string }> {
  if (type === 'item') {
    const reading = parseItem(text);
    return reading.ok ? { ok: true, value: { data: plain(reading.value), text: serializeItem(reading.value) } } : reading;
  }
  if (type === 'list') {
    const reading = parseList(text);
    return reading.ok ? { ok: true, value: { data: reading.value.map(plain), text: serializeList(reading.value) } } : reading;
  }
  const reading = parseDictionary(text);
  if (!reading.ok) return reading;
  const data = [...reading.value].map(([name, member]) => [name, plain(member)]);
  return { ok: true, value: { data, text: serializeDictionary(reading.value) } };
}

test('the vectors of the HTTP working group are read and written as they say (FLUXGATE_CORPUS)', () => {
  const corpus = process.env['FLUXGATE_CORPUS'];
  if (corpus === undefined) return;
  const folder = join(corpus, 'structured-fields');
  let count = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    for (const vector of JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector[]) {
      count += 1;
      const name = `${file}: ${vector.name}`;
      const reading = readAs(vector.header_type, vector.raw.join(', '));
      if (vector.must_fail === true) expect([name, reading.ok]).toEqual([name, false]);
      else if (reading.ok) {
        expect([name, reading.value.data]).toEqual([name, vector.expected]);
        expect([name, reading.value.text]).toEqual([name, (vector.canonical ?? vector.raw).join(', ')]);
      } else expect([name, reading.why, vector.can_fail]).toEqual([name, reading.why, true]);
    }
  }
  expect(count).toBeGreaterThan(1000);
});
