import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ZERO_HASH } from './digest.ts';
import {
  batchRuns,
  decodeFrame,
  encodeBatch,
  encodeHeartbeat,
  encodeSnapshot,
  FRAME_BYTES_MAX,
  frameLengthAt,
} from './frames.ts';
import { ENTITY, encodeRecords, jsonPayload, putRecord } from './records.ts';
import { createSigner, createVerifier, generateSigningKey } from './signing.ts';

const pair = generateSigningKey();
const signer = createSigner(3, pair.seed);
const verifier = createVerifier([{ id: 3, publicKey: pair.publicKey }]);

const revisions = [1, 2, 3].map((n) => encodeRecords([putRecord(ENTITY.route, `r${n}`, jsonPayload({ n }))]));
const batch = encodeBatch(signer, { epoch: 'epoch-1', from: 4, chainFrom: Buffer.alloc(32, 1), urgent: true, revisions });
const heartbeat = encodeHeartbeat(signer, {
  epoch: 'epoch-1',
  revision: 7,
  chain: Buffer.alloc(32, 2),
  timeMs: 1_700_000_000_000,
});
const snapshotParts = encodeSnapshot(
  signer,
  {
    epoch: 'epoch-1',
    id: Buffer.alloc(16, 5),
    revision: 7,
    chain: Buffer.alloc(32, 2),
    digest: Buffer.alloc(32, 3),
    records: Array.from({ length: 50 }, (_, i) => putRecord(ENTITY.route, `r${i}`, jsonPayload({ i }))),
  },
  256,
);
const frames = [batch, heartbeat, ...snapshotParts.slice(0, 2)];

describe('frames', () => {
  test('a batch carries its revisions, their chain and whether it is urgent', () => {
    const result = decodeFrame(batch, verifier);
    if (!result.ok || result.frame.type !== 'batch') throw new Error('refused');
    expect(result.frame).toMatchObject({ epoch: 'epoch-1', from: 4, to: 7, urgent: true });
    expect(result.frame.revisions.map((r) => r.revision)).toEqual([5, 6, 7]);
    expect(result.frame.revisions[2]!.records[0]).toMatchObject({ kind: ENTITY.route, id: 'r3' });
  });

  test('a snapshot in parts gives every entity once', () => {
    expect(snapshotParts.length).toBeGreaterThan(2);
    const ids = snapshotParts.flatMap((part, i) => {
      const result = decodeFrame(part, verifier);
      if (!result.ok || result.frame.type !== 'snapshot') throw new Error('refused');
      expect(result.frame).toMatchObject({ part: i, parts: snapshotParts.length, entities: 50, revision: 7 });
      return result.frame.records.map((r) => r.id);
    });
    expect(new Set(ids).size).toBe(50);
  });

  test('an empty state has a snapshot of one part', () => {
    const parts = encodeSnapshot(signer, {
      epoch: 'e',
      id: Buffer.alloc(16),
      revision: 0,
      chain: ZERO_HASH,
      digest: ZERO_HASH,
      records: [],
    });
    expect(parts).toHaveLength(1);
    expect(decodeFrame(parts[0]!, verifier).ok).toBe(true);
  });

  test('any flipped bit of any frame is refused', () => {
    fc.assert(
      fc.property(fc.constantFrom(...frames), fc.nat(), (frame, bit) => {
        const copy = Buffer.from(frame);
        const at = bit % (copy.length * 8);
        copy[at >> 3] = copy[at >> 3]! ^ (1 << (at & 7));
        expect(decodeFrame(copy, verifier).ok).toBe(false);
      }),
      { numRuns: 1500 },
    );
  });

  test('any cut and any addition is refused', () => {
    for (const frame of frames) {
      for (let length = 0; length < frame.length; length++)
        expect(decodeFrame(frame.subarray(0, length), verifier).ok).toBe(false);
      expect(decodeFrame(Buffer.concat([frame, Buffer.of(0)]), verifier).ok).toBe(false);
    }
  });

  test('random bytes never throw, with or without a believable header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, dressed) => {
        const input = dressed ? Buffer.concat([batch.subarray(0, 17), bytes]) : bytes;
        expect(decodeFrame(input, verifier).ok).toBe(false);
        expect(frameLengthAt(input, 0) ?? 0).toBeLessThanOrEqual(input.length);
      }),
      { numRuns: 2000 },
    );
  });

  test('garbage that is rightly signed is refused as malformed, never thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 5 }), (body, type) => {
        const unsigned = Buffer.concat([batch.subarray(0, 17 + 7), body]);
        unsigned[5] = type;
        unsigned.writeUInt32LE(unsigned.length + 64, 12);
        const result = decodeFrame(Buffer.concat([unsigned, signer.sign(unsigned)]), verifier);
        if (!result.ok) expect(['shape', 'chain']).toContain(result.fault);
        else expect(result.frame.type).toBe('heartbeat');
      }),
      { numRuns: 500 },
    );
  });

  test('a frame signed by a key that is not pinned is refused, though its number is pinned', () => {
    const other = createSigner(3, generateSigningKey().seed);
    const forged = encodeHeartbeat(other, { epoch: 'epoch-1', revision: 9, chain: ZERO_HASH, timeMs: 1 });
    expect(decodeFrame(forged, verifier)).toMatchObject({ ok: false, fault: 'signature' });
    const stranger = encodeHeartbeat(createSigner(4, pair.seed), { epoch: 'epoch-1', revision: 9, chain: ZERO_HASH, timeMs: 1 });
    expect(decodeFrame(stranger, verifier)).toMatchObject({ ok: false, fault: 'key' });
  });

  test('another protocol version is refused by that name', () => {
    const copy = Buffer.from(heartbeat);
    copy[4] = 2;
    expect(decodeFrame(copy, verifier)).toMatchObject({ ok: false, fault: 'version' });
  });

  test('a file of frames can be cut by the headers alone, up to the first torn frame', () => {
    const file = Buffer.concat([batch, heartbeat, batch.subarray(0, 100)]);
    expect(frameLengthAt(file, 0)).toBe(batch.length);
    expect(frameLengthAt(file, batch.length)).toBe(heartbeat.length);
    expect(frameLengthAt(file, batch.length + heartbeat.length)).toBeNull();
  });

  test('runs of revisions fit their bound and lose none', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 40 }), (sizes) => {
        const list = sizes.map((size) => Buffer.alloc(size));
        const runs = batchRuns(list, 1000);
        expect(runs.flatMap(([a, b]) => list.slice(a, b))).toEqual(list);
        for (const [a, b] of runs) expect(b).toBeGreaterThan(a);
      }),
    );
    expect(FRAME_BYTES_MAX).toBe(8 * 1024 * 1024);
  });
});
