import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { parseKey } from '@fluxgate/policy';
import { usage } from '../failure.ts';

/** What signs: the secret that `keys generate --signing` gave, or the private half of a registered public key. */
export type SigningKey =
  | { readonly algorithm: 'hmac-sha256'; readonly kid: string; readonly secret: string }
  | { readonly algorithm: 'ed25519'; readonly kid: string; readonly key: KeyObject };

/** `kid`: needed beside a private key, which does not know by which name it was registered. Messages never quote the file. */
export function readSigningKey(text: string, path: string, kid: string | null): SigningKey {
  const content = text.trim();
  const secret = parseKey(content);
  if (secret.ok && secret.kind === 's') {
    if (kid !== null && kid !== secret.kid)
      throw usage(`${path} holds the secret of ${secret.kid}, not of ${kid}`, { code: 'wrong_key' });
    return { algorithm: 'hmac-sha256', kid: secret.kid, secret: content };
  }
  if (secret.ok)
    throw usage(`${path} holds a credential that signs nothing`, {
      code: 'wrong_key',
      hint: 'A signing secret begins with fgs_: fluxctl keys generate --signing',
    });
  let key: KeyObject;
  try {
    key = content.startsWith('{') ? createPrivateKey({ format: 'jwk', key: JSON.parse(content) }) : createPrivateKey(content);
  } catch {
    throw usage(`${path} holds neither a signing secret nor an Ed25519 private key`, {
      code: 'wrong_key',
      hint: 'Write the text that fluxctl keys generate --signing gave, or a private key as PEM or JWK',
    });
  }
  if (key.asymmetricKeyType !== 'ed25519') throw usage(`${path} holds a private key that is not Ed25519`, { code: 'wrong_key' });
  if (kid === null)
    throw usage('a private key needs --key-id: the id under which its public key was registered', {
      code: 'missing_input',
      field: '--key-id',
      hint: 'fluxctl keys get NAME shows it',
    });
  return { algorithm: 'ed25519', kid, key };
}

/** `x` of the public key, base64url. A private key is turned away: it has no business here. */
export function readPublicKey(text: string, path: string): string {
  const content = text.trim();
  const isPrivate = content.startsWith('{') ? /"d"\s*:/.test(content) : content.includes('PRIVATE KEY');
  if (isPrivate)
    throw usage(`${path} holds a private key; only its public half is registered`, {
      code: 'wrong_key',
      hint: `openssl pkey -in ${path} -pubout -out public.pem`,
    });
  try {
    const key = content.startsWith('{') ? createPublicKey({ format: 'jwk', key: JSON.parse(content) }) : createPublicKey(content);
    const { crv, x } = key.export({ format: 'jwk' });
    if (crv === 'Ed25519' && x !== undefined) return x;
  } catch {
    // told below
  }
  throw usage(`${path} holds no Ed25519 public key`, {
    code: 'wrong_key',
    hint: 'openssl genpkey -algorithm ed25519 -out private.pem; openssl pkey -in private.pem -pubout -out public.pem',
  });
}
