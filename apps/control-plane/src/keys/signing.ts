import { createPublicKey } from 'node:crypto';
import type { GrantSigning } from '@fluxgate/policy';
import type { Tx } from '@fluxgate/stores/postgres';
import type { FieldError } from '../problem.ts';

/**
 * y coordinates of the points of small order on edwards25519, and of their other spellings (the list of libsodium), sign bit cleared:
 * under such a "key" a signature that fits any message is easily made.
 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** Why a public key is none that a credential may sign with. */
export function signingErrors(signing: GrantSigning | null): FieldError[] {
  if (signing?.algorithm !== 'ed25519') return [];
  const bytes = Buffer.from(signing.publicKey, 'base64url');
  const wrong = (message: string): FieldError[] => [
    {
      field: 'signing.publicKey',
      message,
      hint: 'a key pair: openssl genpkey -algorithm ed25519 | tee private.pem | openssl pkey -pubout',
    },
  ];
  if (bytes.length !== 32 || bytes.toString('base64url') !== signing.publicKey)
    return wrong('not 32 bytes in canonical base64url');
  const y = Buffer.from(bytes);
  y[31] = y[31]! & 0x7f;
  if (SMALL_ORDER.has(y.toString('hex'))) return wrong('a point of small order: anybody could sign');
  try {
    createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: signing.publicKey } });
    return [];
  } catch {
    return wrong('not an Ed25519 public key');
  }
}

/** How a credential signs is said when it is made and never changes; it stands in its grant. */
export async function signingOf(tx: Pick<Tx, 'grant'>, realm: string, grantNumber: number): Promise<GrantSigning | undefined> {
  const row = await tx.grant.findUnique({ where: { realm_number: { realm, number: grantNumber } }, select: { content: true } });
  return (row?.content as { signing?: GrantSigning } | null | undefined)?.signing;
}
