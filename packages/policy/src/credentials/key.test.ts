import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BASE62_DIGITS, encodeBase62, encodeChecksum } from './base62.ts';
import { crc32 } from './crc32.ts';
import {
  encodeKid,
  encodeSecret,
  formatKey,
  KEY_PATTERN,
  type KeyKind,
  keyMessage,
  maskKey,
  matchKey,
  parseKey,
  redactKeys,
} from './key.ts';

const kinds: readonly KeyKind[] = ['k', 'c', 'a', 'n', 's'];
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const aRealm = fc.stringMatching(/^[a-z0-9]{2,10}$/);
const aKey = fc.record({
  kind: fc.constantFrom(...kinds),
  realm: aRealm,
  kid: bytes(16).map(encodeKid),
  secret: bytes(32).map(encodeSecret),
});
const formatted = aKey.map((key) => ({ ...key, text: formatKey(key.kind, key.realm, key.kid, key.secret) }));
const CHARACTERS = `${BASE62_DIGITS}_-. \0é😀`;

test('the checksum is CRC-32 of IEEE 802.3, written in base62 with six digits', () => {
  expect(crc32('123456789')).toBe(0xcbf43926);
  expect(crc32('')).toBe(0);
  expect(encodeChecksum(0)).toBe('000000');
  expect(encodeChecksum(61)).toBe('00000z');
  expect(encodeChecksum(62)).toBe('000010');
  expect(encodeChecksum(0xffffffff)).toBe('4gfFC3');
  expect(encodeChecksum(crc32('Hello FluxGate'))).toHaveLength(6);
});

test('base62 has a fixed width and orders like the number it writes', () => {
  expect(encodeBase62(new Uint8Array(32), 43)).toBe('0'.repeat(43));
  expect(encodeBase62(Uint8Array.of(1, 0), 4)).toBe('0048'); // 256 = 4·62 + 8
  fc.assert(
    fc.property(bytes(32), (given) => {
      const value = given.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
      const digits = encodeSecret(given);
      const read = [...digits].reduce((sum, digit) => sum * 62n + BigInt(BASE62_DIGITS.indexOf(digit)), 0n);
      expect(digits).toHaveLength(43);
      expect(read).toBe(value);
    }),
  );
});

test('two kids that differ in their low bits are two kids', () => {
  const one = new Uint8Array(16);
  const other = new Uint8Array(16);
  other[15] = 1;
  expect(encodeKid(one)).toBe('000000000000');
  expect(encodeKid(other)).toBe('000000000001');
});

test('a formatted key reads back as what it was made of', () => {
  fc.assert(
    fc.property(formatted, ({ text, kind, realm, kid, secret }) => {
      const expected = { ok: true, kind, realm, kid, secret };
      expect(parseKey(text)).toEqual(expected);
      expect(matchKey(text, kind, realm)).toEqual(expected);
      expect(text).toHaveLength(67 + realm.length);
    }),
  );
});

test('a known key never changes its spelling', () => {
  const secret = encodeSecret(Uint8Array.from({ length: 32 }, (_, i) => i));
  expect(secret).toBe('003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf');
  // Worked out apart from this code, with zlib and whole-number arithmetic.
  expect(formatKey('k', 'live', '7Kq2mXcT9aLb', secret)).toBe(
    'fgk_live_7Kq2mXcT9aLb_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1TBaEC',
  );
});

test('any one character changed is refused', () => {
  fc.assert(
    fc.property(formatted, fc.nat(), fc.constantFrom(...CHARACTERS), ({ text, kind, realm }, where, character) => {
      const at = where % text.length;
      fc.pre(text[at] !== character);
      const edited = text.slice(0, at) + character + text.slice(at + 1);
      expect(parseKey(edited).ok).toBe(false);
      expect(matchKey(edited, kind, realm).ok).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

test('a key that is cut, lengthened or surrounded is refused', () => {
  fc.assert(
    fc.property(formatted, fc.nat(), fc.constantFrom(...CHARACTERS), ({ text, kind, realm }, where, character) => {
      const at = where % text.length;
      for (const edited of [
        text.slice(0, at),
        text.slice(at + 1),
        text.slice(0, at) + text.slice(at + 1),
        text + character,
        character + text,
        `${text}\n`,
      ]) {
        expect(parseKey(edited).ok).toBe(false);
        expect(matchKey(edited, kind, realm).ok).toBe(false);
      }
    }),
  );
});

test('two characters swapped are refused', () => {
  fc.assert(
    fc.property(formatted, fc.nat(), ({ text }, where) => {
      const at = where % (text.length - 1);
      fc.pre(text[at] !== text[at + 1]);
      expect(parseKey(text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2)).ok).toBe(false);
    }),
  );
});

test('a key of another realm or kind is refused, and the fault says so', () => {
  const text = formatKey('k', 'live', '7Kq2mXcT9aLb', 'a'.repeat(43));
  expect(matchKey(text, 'k', 'test')).toEqual({ ok: false, fault: 'realm' });
  expect(matchKey(text, 'k', 'staging')).toEqual({ ok: false, fault: 'realm' });
  expect(matchKey(text, 'a', 'live')).toEqual({ ok: false, fault: 'kind' });
  expect(matchKey(text, 'k', 'live').ok).toBe(true);
});

test('a re-labelled key fails its checksum: prefix and realm are covered', () => {
  const text = formatKey('k', 'live', '7Kq2mXcT9aLb', 'a'.repeat(43));
  expect(parseKey(text.replace('fgk_', 'fga_'))).toEqual({ ok: false, fault: 'checksum' });
  expect(parseKey(text.replace('_live_', '_test_'))).toEqual({ ok: false, fault: 'checksum' });
  expect(matchKey(text.replace('_live_', '_test_'), 'k', 'test')).toEqual({ ok: false, fault: 'checksum' });
});

test('faults name what is wrong', () => {
  const text = formatKey('k', 'live', '7Kq2mXcT9aLb', 'a'.repeat(43));
  expect(parseKey('')).toEqual({ ok: false, fault: 'shape' });
  expect(parseKey(text.replace('fgk', 'fgx'))).toEqual({ ok: false, fault: 'kind' });
  expect(parseKey(text.replace('live', 'Live'))).toEqual({ ok: false, fault: 'shape' });
  expect(parseKey(text.replace('7Kq', '7é-'))).toEqual({ ok: false, fault: 'shape' });
  expect(parseKey(`${text.slice(0, -6)}zzzzzz`)).toEqual({ ok: false, fault: 'checksum' });
});

test('a character whose low byte is a digit is no digit', () => {
  const text = formatKey('k', 'live', '7Kq2mXcT9aLb', 'a'.repeat(43));
  expect(parseKey(text.replace('7Kq', `${String.fromCharCode(0x137)}Kq`))).toEqual({ ok: false, fault: 'shape' });
});

test('a right checksum does not make up for a wrong shape', () => {
  const signed = (covered: string): string => covered + encodeChecksum(crc32(covered));
  const secret = 'a'.repeat(43);
  expect(parseKey(signed(`fgk_live_7Kq2mXcT9aLb_${secret}`)).ok).toBe(true);
  for (const covered of [
    `fgk_live_7Kq2mXcT9aLb-${secret}`,
    `fgk_live_7Kq2mXcT9aLba${secret}`,
    `fgk-live_7Kq2mXcT9aLb_${secret}`,
    `fxk_live_7Kq2mXcT9aLb_${secret}`,
    `fgk_live-7Kq2mXcT9aLb_${secret}`,
    `fgk_l_7Kq2mXcT9aLb_${secret}`,
    `fgk_elevenchars_7Kq2mXcT9aLb_${secret}`,
    `fgk_LIVE_7Kq2mXcT9aLb_${secret}`,
    `fgk_live_7Kq2mXcT9a__${secret}_`,
  ]) {
    expect([covered, parseKey(signed(covered))]).toEqual([covered, { ok: false, fault: 'shape' }]);
    expect(matchKey(signed(covered), 'k', 'live').ok).toBe(false);
  }
});

test('only well-formed parts are put together', () => {
  expect(() => formatKey('k', 'Live', '7Kq2mXcT9aLb', 'a'.repeat(43))).toThrow(RangeError);
  expect(() => formatKey('k', 'live', '7Kq2mXcT9aL', 'a'.repeat(43))).toThrow(RangeError);
  expect(() => formatKey('k', 'live', '7Kq2mXcT9aLb', 'a'.repeat(42))).toThrow(RangeError);
  expect(() => encodeSecret(new Uint8Array(31))).toThrow(RangeError);
  expect(() => encodeKid(new Uint8Array(12))).toThrow(RangeError);
});

test('scanners find every credential in a text, and redaction leaves only its public part', () => {
  fc.assert(
    fc.property(
      formatted,
      fc.constantFrom('', ' ', '"', 'key=', '\n', 'x-fluxgate-api-key: '),
      fc.constantFrom('', '"', '&', ',', '\n'),
      (key, before, behind) => {
        const text = before + key.text + behind;
        expect(KEY_PATTERN.test(text)).toBe(true);
        const redacted = redactKeys(text);
        expect(redacted).toBe(`${before}fg${key.kind}_${key.realm}_${key.kid}_…${behind}`);
      },
    ),
  );
});

test('a node token is redacted whole, with the fingerprint behind it', () => {
  const token = `${formatKey('n', 'live', '7Kq2mXcT9aLb', 'a'.repeat(43))}_${'F'.repeat(43)}`;
  expect(redactKeys(`token ${token}, twice ${token}`)).toBe('token fgn_live_7Kq2mXcT9aLb_…, twice fgn_live_7Kq2mXcT9aLb_…');
});

test('a mask shows the kid and the last four characters', () => {
  expect(maskKey('k', 'live', '7Kq2mXcT9aLb', 'x7Qk')).toBe('fgk_live_7Kq2mXcT9aLb_…x7Qk');
});

test('the message of the HMAC separates context, kid and secret', () => {
  expect(keyMessage('KID', 'SECRET')).toBe('fluxgate/api-key/1\u0000KID\u0000SECRET');
});
