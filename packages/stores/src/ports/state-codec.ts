/** One change of a realm's state, as nodes receive it. `kind` is a number of the sync protocol; `payload` is null exactly on delete. */
export interface StateRecord {
  readonly op: 'put' | 'delete';
  readonly kind: number;
  readonly id: string;
  readonly payload: Uint8Array | null;
}

/**
 * How records become bytes, chain and digest. Stores may not import the protocol (they remember, they do not speak),
 * so the control plane hands these in. Hashes are 32 bytes; the digest is a sum of entity hashes modulo 2^256.
 */
export interface StateCodec {
  encode(records: readonly StateRecord[]): Uint8Array;
  chain(previous: Uint8Array, revision: number, recordsBytes: Uint8Array): Uint8Array;
  hash(kind: number, id: string, payload: Uint8Array): Uint8Array;
  add(digest: Uint8Array, hash: Uint8Array): Uint8Array;
  sub(digest: Uint8Array, hash: Uint8Array): Uint8Array;
}
