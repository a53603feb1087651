import { createHmac } from 'node:crypto';
import type { KeyRecord, KeyState } from '@fluxgate/policy';
import { keyMessage, signingMessage } from '@fluxgate/policy';
import { ByteWriter } from './bytes.ts';
import type { Decoded } from './records.ts';

export const KEY_NAME_BYTES_MAX = 256;
/** digest 16 | pepperVersion u8 | state u8 | notAfterS u32 | grant u32 | credential u32; the name follows. */
export const KEY_PAYLOAD_FIXED_BYTES = 30;

export const KEY_STATES: readonly KeyState[] = ['active', 'retiring', 'revoked', 'suspended'];

export function encodeKeyPayload(record: Omit<KeyRecord, 'kid'>): Buffer {
  const name = Buffer.from(record.name, 'utf8');
  if (name.length > KEY_NAME_BYTES_MAX) throw new RangeError(`key name of ${name.length} bytes, at most ${KEY_NAME_BYTES_MAX}`);
  return new ByteWriter(KEY_PAYLOAD_FIXED_BYTES + name.length)
    .fixed(record.digest, 16)
    .u8(record.pepperVersion)
    .u8(KEY_STATES.indexOf(record.state))
    .u32(record.notAfterS)
    .u32(record.grant)
    .u32(record.credential)
    .bytes(name)
    .finish();
}

const KID = /^[0-9A-Za-z]{12}$/;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `digest` is a view into `payload`. Read by hand, not by `ByteReader`: a node reads a million of these when it starts. */
export function decodeKeyPayload(kid: string, payload: Uint8Array): Decoded<KeyRecord> {
  if (!KID.test(kid)) return { ok: false, why: 'the id is not a kid' };
  const nameBytes = payload.byteLength - KEY_PAYLOAD_FIXED_BYTES;
  if (nameBytes < 0) return { ok: false, why: `a key payload of ${payload.byteLength} bytes` };
  if (nameBytes > KEY_NAME_BYTES_MAX) return { ok: false, why: `key name of ${nameBytes} bytes` };
  const state = KEY_STATES[payload[17]!];
  if (state === undefined) return { ok: false, why: `unknown key state ${payload[17]}` };
  let name: string;
  try {
    name = UTF8.decode(payload.subarray(KEY_PAYLOAD_FIXED_BYTES));
  } catch {
    return { ok: false, why: 'the name is not UTF-8' };
  }
  return {
    ok: true,
    value: {
      kid,
      digest: payload.subarray(0, 16),
      pepperVersion: payload[16]!,
      state,
      notAfterS: u32(payload, 18),
      grant: u32(payload, 22),
      credential: u32(payload, 26),
      name,
    },
  };
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** What is stored of a key: the first 128 bits of HMAC-SHA-256(pepper, context ‖ kid ‖ secret); see `KeyRecord.digest`. */
export function keyDigest(pepper: Uint8Array, kid: string, secret: string): Buffer {
  return createHmac('sha256', pepper).update(keyMessage(kid, secret), 'latin1').digest().subarray(0, 16);
}

/** 32 bytes: what a client signs requests with, see `signingMessage`. Handed out by the control plane once, made anew by nodes when needed. */
export function signingSecret(pepper: Uint8Array, kid: string, digest: Uint8Array): Buffer {
  return createHmac('sha256', pepper).update(signingMessage(kid, digest), 'latin1').digest();
}
