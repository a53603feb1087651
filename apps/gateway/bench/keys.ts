import { createHash, randomBytes } from 'node:crypto';
import { encodeKid, encodeSecret, formatKey } from '@fluxgate/policy';
import { keyDigest } from '@fluxgate/protocol/sync';

/** Keys of one run, for the gateway and its peers alike. Nothing here outlives the run. */
export interface BenchKeys {
  /** Hexadecimal. */
  readonly pepper: string;
  readonly keys: readonly { readonly text: string; readonly kid: string; readonly digest: string }[];
}

export function makeKeys(count: number): BenchKeys {
  const pepper = randomBytes(32);
  const keys = Array.from({ length: count }, () => {
    const kid = encodeKid(randomBytes(16));
    const secret = encodeSecret(createHash('sha256').update(randomBytes(32)).digest());
    return {
      text: formatKey('k', 'live', kid, secret),
      kid,
      digest: Buffer.from(keyDigest(pepper, kid, secret)).toString('hex'),
    };
  });
  return { pepper: pepper.toString('hex'), keys };
}
