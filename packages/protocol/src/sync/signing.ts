import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { encodeSecret } from '@fluxgate/policy';

export const SIGNATURE_BYTES = 64;

/** RFC 8410: what stands before the raw 32 bytes in PKCS#8 and SubjectPublicKeyInfo. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

/** A realm's signing key: `seed` and `publicKey` are 32 raw bytes each. The seed never leaves the control plane. */
export interface SigningKeyPair {
  readonly seed: Buffer;
  readonly publicKey: Buffer;
}

export function generateSigningKey(random: (bytes: number) => Buffer = randomBytes): SigningKeyPair {
  const seed = random(32);
  return { seed, publicKey: rawPublicKey(createPublicKey(importSeed(seed))) };
}

function importSeed(seed: Uint8Array): KeyObject {
  if (seed.byteLength !== 32) throw new RangeError('an Ed25519 seed has 32 bytes');
  return createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_ED25519.length);
}

export interface Signer {
  /** Number of the key, in the header of each frame. */
  readonly id: number;
  readonly publicKey: Buffer;
  sign(bytes: Uint8Array): Buffer;
}

/** `seed`: 32 raw bytes. */
export function createSigner(id: number, seed: Uint8Array): Signer {
  const key = importSeed(seed);
  return { id, publicKey: rawPublicKey(createPublicKey(key)), sign: (bytes) => sign(null, bytes, key) };
}

export interface PublicSigningKey {
  readonly id: number;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

/** Checks signatures under the keys it was made with, and no others. */
export interface Verifier {
  has(id: number): boolean;
  verify(id: number, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** Throws RangeError when a public key does not have 32 bytes. */
export function createVerifier(keys: readonly PublicSigningKey[]): Verifier {
  const byId = new Map<number, KeyObject>();
  for (const { id, publicKey } of keys) {
    if (publicKey.byteLength !== 32) throw new RangeError('an Ed25519 public key has 32 bytes');
    byId.set(id, createPublicKey({ key: Buffer.concat([SPKI_ED25519, publicKey]), format: 'der', type: 'spki' }));
  }
  return {
    has: (id) => byId.has(id),
    verify(id, bytes, signature) {
      const key = byId.get(id);
      if (key === undefined || signature.byteLength !== SIGNATURE_BYTES) return false;
      try {
        return verify(null, bytes, key, signature);
      } catch {
        return false; // a point that is no point: the same as a bad signature
      }
    },
  };
}

/** 43 base62 characters of sha256(raw public key): what a node token pins. */
export function publicKeyFingerprint(raw: Uint8Array): string {
  return encodeSecret(createHash('sha256').update(raw).digest());
}
