import { expect, test } from '@jest/globals';
import { decodeCursor, encodeCursor } from './cursor.ts';

test('a cursor says where to go on, and only in its own list', () => {
  const cursor = encodeCursor('keysList', { atMs: 1_700_000_000_123, id: 'key_AAAAAAAAAAAA' });
  expect(decodeCursor('keysList', cursor)).toEqual({ atMs: 1_700_000_000_123, id: 'key_AAAAAAAAAAAA' });
  expect(decodeCursor('auditList', cursor)).toBeNull();
});

test('a text that is no cursor is no cursor, however it is damaged', () => {
  const of = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const text of [
    '',
    '!',
    'x'.repeat(501),
    of([]),
    of(['keysList', 'x', 'y']),
    of(['keysList', 1.5, 'y']),
    of(['keysList', 1e300, 'y']),
    of(['keysList', 1, 2]),
    of({ 0: 'keysList' }),
  ]) {
    expect([text, decodeCursor('keysList', text)]).toEqual([text, null]);
  }
});
