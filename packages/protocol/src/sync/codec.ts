import { addDigest, chainOf, entityHash, subDigest } from './digest.ts';
import { encodeRecords, type StateRecord } from './records.ts';

/** What the place that stores revisions needs of the format. It takes this by injection, so that it need not know the format. */
export interface StateCodec {
  encode(records: readonly StateRecord[]): Uint8Array;
  chain(previous: Uint8Array, revision: number, recordsBytes: Uint8Array): Uint8Array;
  hash(kind: number, id: string, payload: Uint8Array): Uint8Array;
  add(digest: Uint8Array, hash: Uint8Array): Uint8Array;
  sub(digest: Uint8Array, hash: Uint8Array): Uint8Array;
}

export const stateCodec: StateCodec = {
  encode: encodeRecords,
  chain: chainOf,
  hash: entityHash,
  add: addDigest,
  sub: subDigest,
};
