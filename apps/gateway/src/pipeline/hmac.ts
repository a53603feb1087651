import { hash, timingSafeEqual } from 'node:crypto';

const BLOCK_BYTES = 64; // SHA-256, RFC 2104 §2
const HASH_BYTES = 32;
const DIGEST_BYTES = 16;
const SIGNING_CONTEXT = 'fluxgate/signing/1\0';
const CONTEXT = 'fluxgate/api-key/1\0';
const KID_CHARS = 12;
const SECRET_CHARS = 43;
const KID_AT = BLOCK_BYTES + CONTEXT.length;
const SECRET_AT = KID_AT + KID_CHARS + 1;
const SIGNING_KID_AT = BLOCK_BYTES + SIGNING_CONTEXT.length;
const SIGNING_DIGEST_AT = SIGNING_KID_AT + KID_CHARS + 1;

/**
 * HMAC-SHA-256(pepper, context ‖ 0x00 ‖ kid ‖ 0x00 ‖ secret) from two one-shot hashes over blocks that were padded once:
 * the same digest as `createHmac` for under half of its cost, which is objects, not hashing. One instance per pepper version and worker.
 */
export class KeyMac {
  readonly #inner = Buffer.alloc(SECRET_AT + SECRET_CHARS);
  readonly #signing = Buffer.alloc(SIGNING_DIGEST_AT + DIGEST_BYTES);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES);
  readonly #found = Buffer.alloc(DIGEST_BYTES);

  constructor(pepper: Uint8Array) {
    const key = pepper.length > BLOCK_BYTES ? hash('sha256', pepper, 'buffer') : pepper;
    for (let i = 0; i < BLOCK_BYTES; i++) {
      const byte = key[i] ?? 0;
      this.#inner[i] = byte ^ 0x36;
      this.#signing[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    }
    this.#inner.write(CONTEXT, BLOCK_BYTES, 'latin1');
    this.#signing.write(SIGNING_CONTEXT, BLOCK_BYTES, 'latin1');
  }

  /** First 16 bytes of the HMAC, in a buffer that the next call overwrites. `kid`: 12, `secret`: 43 ASCII characters, already checked by `parseKey`. */
  digest(kid: string, secret: string): Buffer {
    this.#inner.write(kid, KID_AT, KID_CHARS, 'latin1');
    this.#inner.write(secret, SECRET_AT, SECRET_CHARS, 'latin1');
    // Hash results as latin1 strings: a 32-character string is cheaper than a Buffer of its own.
    this.#outer.write(hash('sha256', this.#inner, 'binary'), BLOCK_BYTES, HASH_BYTES, 'latin1');
    this.#found.write(hash('sha256', this.#outer, 'binary'), 0, DIGEST_BYTES, 'latin1');
    return this.#found;
  }

  /** The 32 bytes behind the signing secret of a key version, from what the node holds of it; see `signingMessage` in policy. */
  signingSecret(kid: string, digest: Uint8Array): Buffer {
    this.#signing.write(kid, SIGNING_KID_AT, KID_CHARS, 'latin1');
    this.#signing.set(digest, SIGNING_DIGEST_AT);
    this.#outer.write(hash('sha256', this.#signing, 'binary'), BLOCK_BYTES, HASH_BYTES, 'latin1');
    return hash('sha256', this.#outer, 'buffer');
  }

  /** Compares in constant time. */
  matches(kid: string, secret: string, expected: Uint8Array): boolean {
    return timingSafeEqual(this.digest(kid, secret), expected);
  }
}

/** The pepper ring of a realm as a worker holds it: version → HMAC with that pepper. */
export type PepperRing = ReadonlyMap<number, KeyMac>;

export function pepperRing(peppers: Iterable<readonly [number, Uint8Array]>): PepperRing {
  const ring = new Map<number, KeyMac>();
  for (const [version, pepper] of peppers) ring.set(version, new KeyMac(pepper));
  return ring;
}
