import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import type { Decoded } from './records.ts';

/**
 * Sealing to one node's X25519 key: `1 u8 | ephemeral public 32 | AES-256-GCM ciphertext | tag 16`.
 * The key is HKDF-SHA256(shared secret, salt ephemeral ‖ recipient, info "fluxgate/seal/1" ‖ 0 ‖ context); each message has its own
 * ephemeral key, so the nonce may be constant. It hides the content and proves integrity; it does not say who sealed it.
 */

const VERSION = 1;
const TAG_BYTES = 16;
const HEAD_BYTES = 33;
const NONCE = Buffer.alloc(12);
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** Raw 32-byte keys. */
export interface SealingKeyPair {
  readonly privateKey: Buffer;
  readonly publicKey: Buffer;
}

export function generateSealingKey(): SealingKeyPair {
  const pair = generateKeyPairSync('x25519');
  return {
    privateKey: pair.privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_X25519.length),
    publicKey: rawPublic(pair.publicKey),
  };
}

/** Public half of a raw private key. Throws RangeError when it does not have 32 bytes. */
export function sealingPublicKey(privateKey: Uint8Array): Buffer {
  return rawPublic(createPublicKey(importPrivate(privateKey)));
}

function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_X25519.length);
}

function importPublic(raw: Uint8Array): KeyObject {
  if (raw.byteLength !== 32) throw new RangeError('an X25519 key has 32 bytes');
  return createPublicKey({ key: Buffer.concat([SPKI_X25519, raw]), format: 'der', type: 'spki' });
}

function importPrivate(raw: Uint8Array): KeyObject {
  if (raw.byteLength !== 32) throw new RangeError('an X25519 key has 32 bytes');
  return createPrivateKey({ key: Buffer.concat([PKCS8_X25519, raw]), format: 'der', type: 'pkcs8' });
}

function deriveKey(secret: Buffer, ephemeral: Uint8Array, recipient: Uint8Array, context: string): Buffer {
  const info = Buffer.from(`fluxgate/seal/1\0${context}`, 'utf8');
  return Buffer.from(hkdfSync('sha256', secret, Buffer.concat([ephemeral, recipient]), info, 32));
}

/** `context` binds the purpose: what was sealed for one cannot be opened as another. Throws on an unusable public key. */
export function sealTo(publicKeyRaw: Uint8Array, bytes: Uint8Array, context = 'secrets'): Buffer {
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralRaw = rawPublic(ephemeral.publicKey);
  const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: importPublic(publicKeyRaw) });
  const cipher = createCipheriv('aes-256-gcm', deriveKey(secret, ephemeralRaw, publicKeyRaw, context), NONCE);
  return Buffer.concat([Buffer.of(VERSION), ephemeralRaw, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

/** `privateKey`: 32 raw bytes. Refuses, without saying more, anything not sealed to that key for that context. */
export function openSealed(privateKey: Uint8Array, sealed: Uint8Array, context = 'secrets'): Decoded<Buffer> {
  if (sealed.byteLength < HEAD_BYTES + TAG_BYTES || sealed[0] !== VERSION) return { ok: false, why: 'not a sealed message' };
  const key = importPrivate(privateKey);
  const ephemeral = sealed.subarray(1, HEAD_BYTES);
  try {
    const secret = diffieHellman({ privateKey: key, publicKey: importPublic(ephemeral) });
    const decipher = createDecipheriv(
      'aes-256-gcm',
      deriveKey(secret, ephemeral, rawPublic(createPublicKey(key)), context),
      NONCE,
    );
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return { ok: true, value: Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES, -TAG_BYTES)), decipher.final()]) };
  } catch {
    return { ok: false, why: 'not sealed to this key' };
  }
}
