import { expect, test } from '@jest/globals';
import { ChunkedDecoder } from './chunked.ts';
import { FAULT, faultOf } from './faults.ts';

/** Decodes in pieces of the given sizes; what is left over is answered too. */
function decode(
  text: string,
  cuts: readonly number[] = [],
): { body: string; rest: string; done: boolean; trailers: string } | string {
  const decoder = new ChunkedDecoder();
  let body = '';
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    const piece = Buffer.from(text.slice(from, cut), 'latin1');
    const next = decoder.decode(piece, 0, piece.length);
    if (next < 0) return faultOf(next).because;
    body += piece.toString('latin1', 0, decoder.dataEnd);
    if (decoder.done) {
      const trailers = decoder.trailers === null ? '' : Buffer.from(decoder.trailers).toString('latin1');
      return { body, rest: piece.toString('latin1', next) + text.slice(cut), done: true, trailers };
    }
    from = cut;
  }
  return { body, rest: '', done: false, trailers: '' };
}

const GOOD: readonly (readonly [string, string])[] = [
  ['0\r\n\r\n', ''],
  ['3\r\nabc\r\n0\r\n\r\n', 'abc'],
  ['1\r\na\r\n2\r\nbc\r\nA\r\n0123456789\r\n0\r\n\r\n', 'abc0123456789'],
  ['0003\r\nabc\r\n000\r\n\r\n', 'abc'],
  ['3;a\r\nabc\r\n0;b=c\r\n\r\n', 'abc'],
  ['3 ; a = b ;c="q\\"; \xe9"\r\nabc\r\n0\r\n\r\n', 'abc'],
  ['5\r\n\r\n0\r\n\r\n0\r\n\r\n', '\r\n0\r\n'],
];

const BAD: readonly (readonly [string, string, number])[] = [
  ['no size', '\r\nabc\r\n', FAULT.chunkSize],
  ['a sign', '+3\r\nabc\r\n', FAULT.chunkSize],
  ['a prefix', '0x3\r\nabc\r\n', FAULT.chunkSize],
  ['an underscore', '1_0\r\nabc\r\n', FAULT.chunkSize],
  ['a space before', ' 3\r\nabc\r\n', FAULT.chunkSize],
  ['a space after', '3 \r\nabc\r\n', FAULT.chunkSize],
  ['a size beyond all reason', 'fffffffffffffffff\r\n', FAULT.chunkSize],
  ['a size that only fits a float', 'ffffffffffffffff\r\n', FAULT.chunkSize],
  ['LF after the size', '3\nabc\r\n', FAULT.chunkSize],
  ['CR without LF after the size', '3\rabc\r\n', FAULT.chunkSize],
  ['an empty extension', '3;\r\nabc\r\n', FAULT.chunkExtension],
  ['an extension without a value', '3;a=\r\nabc\r\n', FAULT.chunkExtension],
  ['an unclosed quote', '3;a="b\r\nabc\r\n', FAULT.chunkExtension],
  ['LF in an extension', '3;a\nabc\r\n', FAULT.chunkExtension],
  ['an endless extension', `3;${'a'.repeat(500)}\r\nabc\r\n`, FAULT.chunkExtension],
  ['data beyond the size', '3\r\nabcd\r\n', FAULT.chunkEnd],
  ['data short of the size', '3\r\nab\r\n0\r\n\r\n', FAULT.chunkEnd],
  ['LF after the data', '3\r\nabc\n0\r\n\r\n', FAULT.chunkEnd],
  ['LF at the very end', '0\r\n\n', FAULT.trailer],
  ['a bare CR in a trailer', '0\r\nA: b\rc\r\n\r\n', FAULT.trailer],
  ['an LF line in the trailers', '0\r\nA: b\n\r\n', FAULT.trailer],
  ['endless trailers', `0\r\n${'A: b\r\n'.repeat(2000)}\r\n`, FAULT.trailer],
];

test.each(GOOD)('%j is decoded, wherever it is cut', (text, body) => {
  const whole = { body, rest: 'GET', done: true, trailers: '' };
  expect(decode(`${text}GET`)).toEqual(whole);
  for (let cut = 1; cut < text.length; cut++) expect(decode(`${text}GET`, [cut])).toEqual(whole);
  expect(
    decode(
      `${text}GET`,
      Array.from({ length: text.length - 1 }, (_, i) => i + 1),
    ),
  ).toEqual(whole);
});

test.each(BAD)('%s makes a chunked body malformed, wherever it is cut', (_what, text, fault) => {
  expect(decode(text)).toBe(faultOf(fault).because);
  for (let cut = 1; cut < Math.min(text.length, 600); cut++) expect(decode(text, [cut])).toBe(faultOf(fault).because);
});

test('trailers are kept apart from the body', () => {
  const text = '1\r\na\r\n0\r\nX-Sum: 1\r\nB: \r\n\r\n';
  for (let cut = 1; cut < text.length; cut++) {
    expect(decode(text, [cut])).toEqual({ body: 'a', rest: '', done: true, trailers: 'X-Sum: 1\r\nB: \r\n\r\n' });
  }
});

test('a body cut short is not done', () => {
  for (let end = 0; end < 12; end++) expect(decode('3\r\nabc\r\n0\r\n\r\n'.slice(0, end))).toMatchObject({ done: false });
});
