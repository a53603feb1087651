import { createHash, hash } from 'node:crypto';

/** 32 zero bytes: the chain before revision 1, and the digest of the empty state. */
export const ZERO_HASH: Uint8Array = Buffer.alloc(32);

/** chain_r = sha256(chain_{r-1} ‖ u64le r ‖ recordsBytes): a function of the whole content of 1..r. */
export function chainOf(previous: Uint8Array, revision: number, recordsBytes: Uint8Array): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(revision));
  return createHash('sha256').update(previous).update(number).update(recordsBytes).digest();
}

const scratch = Buffer.allocUnsafe(4096);

/** sha256(kind u8 ‖ len(id) u16le ‖ id ‖ payload). */
export function entityHash(kind: number, id: string, payload: Uint8Array): Buffer {
  const idBytes = Buffer.byteLength(id, 'utf8');
  const total = 3 + idBytes + payload.byteLength;
  const input = total <= scratch.length ? scratch.subarray(0, total) : Buffer.allocUnsafe(total);
  input[0] = kind;
  input.writeUInt16LE(idBytes, 1);
  input.write(id, 3, 'utf8');
  input.set(payload, 3 + idBytes);
  return hash('sha256', input, 'buffer');
}

/**
 * Sum of 32-byte numbers mod 2^256, little-endian: the state digest is Σ entityHash over the entities present, so a change costs
 * one subtraction and one addition whatever the size of the state. It shows corruption and bugs; forgery is the signature's business.
 */
export function addDigest(a: Uint8Array, b: Uint8Array): Buffer {
  const out = Buffer.from(a);
  addInto(out, b);
  return out;
}

export function subDigest(a: Uint8Array, b: Uint8Array): Buffer {
  const out = Buffer.from(a);
  subFrom(out, b);
  return out;
}

/** `sum += term`, in place. */
export function addInto(sum: Uint8Array, term: Uint8Array): void {
  let carry = 0;
  for (let i = 0; i < 32; i++) {
    carry += sum[i]! + term[i]!;
    sum[i] = carry;
    carry >>= 8;
  }
}

/** `sum -= term`, in place. */
export function subFrom(sum: Uint8Array, term: Uint8Array): void {
  let borrow = 0;
  for (let i = 0; i < 32; i++) {
    const value = sum[i]! - term[i]! - borrow;
    sum[i] = value;
    borrow = value < 0 ? 1 : 0;
  }
}
