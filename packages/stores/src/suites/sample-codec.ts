import { createHash } from 'node:crypto';
import type { StateCodec } from '../ports/state-codec.ts';

const sha = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const toBig = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const fromBig = (n: bigint) => Buffer.from(BigInt.asUintN(256, n).toString(16).padStart(64, '0'), 'hex');

/** A codec of the right shape for suites; the real one belongs to the protocol. */
export const sampleCodec: StateCodec = {
  encode: (records) =>
    Buffer.from(
      JSON.stringify(
        records.map((r) => ({ ...r, payload: r.payload === null ? null : Buffer.from(r.payload).toString('base64') })),
      ),
    ),
  hash: (kind, id, payload) => sha(Buffer.from([kind, id.length]), Buffer.from(id), payload),
  chain: (previous, revision, records) => sha(previous, Buffer.from(String(revision)), records),
  add: (digest, hash) => fromBig(toBig(digest) + toBig(hash)),
  sub: (digest, hash) => fromBig(toBig(digest) - toBig(hash)),
};
