/** One change of a realm's state, as nodes receive it. `kind` is a number of the sync protocol; `payload` is empty on delete. */
export interface StateRecord {
  readonly op: 'put' | 'delete';
  readonly kind: number;
  readonly id: string;
  readonly payload: Uint8Array;
}

/**
 * How records become bytes, chain and digest. Stores may not import the protocol (they remember, they do not speak),
 * so the control plane hands these in. All hashes are 32 bytes.
 */
export interface StateCodec {
  encodeRecords(records: readonly StateRecord[]): Uint8Array;
  decodeRecords(bytes: Uint8Array): readonly StateRecord[];
  /** Hash of one entity: sha256(kind ‖ len(id) ‖ id ‖ payload). */
  entityHash(kind: number, id: string, payload: Uint8Array): Uint8Array;
  /** sha256(previous ‖ u64le revision ‖ records). */
  chainOf(previous: Uint8Array, revision: number, records: Uint8Array): Uint8Array;
  /** Sums modulo 2^256. */
  addDigest(digest: Uint8Array, hash: Uint8Array): Uint8Array;
  subDigest(digest: Uint8Array, hash: Uint8Array): Uint8Array;
}
