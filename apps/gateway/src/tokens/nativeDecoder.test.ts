import { decodeBase64url, decodeUtf8, readCompactJws } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeDecoder } from './nativeDecoder.ts';

const BASE64URL = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
const texts = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  fc.string({ unit: fc.constantFrom(...BASE64URL, '=', '+', '/', ' ', '\n', '.'), maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text).toString('base64url')),
);

test('the native decoder answers what the pure one answers, for anything', () => {
  fc.assert(
    fc.property(texts, fc.nat(3), (text, skipped) => {
      const from = Math.min(skipped, text.length);
      const pure = decodeBase64url(text, from, text.length);
      const native = nativeDecoder.bytes(text, from, text.length);
      expect(native === null ? null : [...native]).toEqual(pure === null ? null : [...pure]);
      expect(nativeDecoder.text(text, from, text.length)).toEqual(pure === null ? null : decodeUtf8(pure));
    }),
    { numRuns: 20_000 },
  );
});

test('and so tokens read the same', () => {
  fc.assert(
    fc.property(texts, texts, texts, (a, b, c) => {
      const token = `${a}.${b}.${c}`;
      const plain = (read: ReturnType<typeof readCompactJws>) => (read.ok ? { ...read, signature: [...read.signature] } : read);
      expect(plain(readCompactJws(token, nativeDecoder))).toEqual(plain(readCompactJws(token)));
    }),
    { numRuns: 2000 },
  );
});
