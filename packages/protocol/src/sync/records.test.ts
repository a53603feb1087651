import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeRecords,
  deleteRecord,
  ENTITY_PAYLOAD_BYTES_MAX,
  encodeRecords,
  putRecord,
  REVISION_BYTES_MAX,
  type StateRecord,
} from './records.ts';

const record: fc.Arbitrary<StateRecord> = fc
  .record({
    op: fc.constantFrom('put', 'delete'),
    kind: fc.integer({ min: 0, max: 255 }),
    id: fc.string({ unit: 'grapheme', maxLength: 40 }),
    payload: fc.uint8Array({ maxLength: 200 }),
  })
  .map(({ op, kind, id, payload }) => (op === 'put' ? putRecord(kind, id, payload) : deleteRecord(kind, id)));

describe('records', () => {
  test('what was encoded is what is decoded, in order', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), (records) => {
        const decoded = decodeRecords(encodeRecords(records));
        if (!decoded.ok) throw new Error(decoded.why);
        expect(decoded.value.map((r) => ({ ...r, payload: r.payload && Array.from(r.payload) }))).toEqual(
          records.map((r) => ({ ...r, payload: r.payload && Array.from(r.payload) })),
        );
      }),
    );
  });

  test('random bytes are refused or decoded, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(typeof decodeRecords(bytes).ok).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });

  test('any cut of an encoding is refused', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(), (records, at) => {
        const bytes = encodeRecords(records);
        expect(decodeRecords(bytes.subarray(0, at % bytes.length)).ok).toBe(false);
      }),
    );
  });

  test('a count that the bytes cannot hold is refused before anything is allocated', () => {
    expect(decodeRecords(Buffer.from('ffffffff00000000', 'hex'))).toEqual({
      ok: false,
      why: '4294967295 records cannot fit in 4 bytes',
    });
  });

  test('a payload length beyond the bytes is refused', () => {
    const bytes = encodeRecords([putRecord(4, 'a', Buffer.from('xyz'))]);
    bytes.writeUInt32LE(0xffff_ffff, 4 + 2 + 2 + 1);
    expect(decodeRecords(bytes).ok).toBe(false);
  });

  test('ids, payloads and revisions over their bound are a fault of the encoder', () => {
    expect(() => encodeRecords([deleteRecord(4, 'x'.repeat(513))])).toThrow(RangeError);
    expect(() => encodeRecords([putRecord(4, 'x', Buffer.alloc(ENTITY_PAYLOAD_BYTES_MAX + 1))])).toThrow(RangeError);
    const many = Array.from({ length: 5 }, (_, i) => putRecord(4, `x${i}`, Buffer.alloc(ENTITY_PAYLOAD_BYTES_MAX)));
    expect(() => encodeRecords(many)).toThrow(RangeError);
    expect(REVISION_BYTES_MAX).toBeLessThan(5 * ENTITY_PAYLOAD_BYTES_MAX);
  });
});
