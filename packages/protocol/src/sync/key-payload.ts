import { createHmac } from 'node:crypto';
import type { KeyRecord, KeyState } from '@fluxgate/policy';
import { keyMessage } from '@fluxgate/policy';
import { ByteReader, ByteWriter, Malformed } from './bytes.ts';
import { type Decoded, guarded } from './records.ts';

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

/** `digest` is a view into `payload`. */
export function decodeKeyPayload(kid: string, payload: Uint8Array): Decoded<KeyRecord> {
  return guarded(() => {
    if (!KID.test(kid)) throw new Malformed('the id is not a kid');
    const reader = new ByteReader(payload);
    const digest = reader.bytes(16);
    const pepperVersion = reader.u8();
    const stateNumber = reader.u8();
    const state = KEY_STATES[stateNumber];
    if (state === undefined) throw new Malformed(`unknown key state ${stateNumber}`);
    const notAfterS = reader.u32();
    const grant = reader.u32();
    const credential = reader.u32();
    if (reader.left > KEY_NAME_BYTES_MAX) throw new Malformed(`key name of ${reader.left} bytes`);
    return { kid, digest, pepperVersion, state, notAfterS, grant, credential, name: reader.text(reader.left) };
  });
}

/** What is stored of a key: the first 128 bits of HMAC-SHA-256(pepper, context ‖ kid ‖ secret); see `KeyRecord.digest`. */
export function keyDigest(pepper: Uint8Array, kid: string, secret: string): Buffer {
  return createHmac('sha256', pepper).update(keyMessage(kid, secret), 'latin1').digest().subarray(0, 16);
}
