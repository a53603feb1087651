import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

export const BENCH_ISSUER = 'https://issuer.bench.test';
export const BENCH_AUDIENCE = 'bench-api';

/** Tokens of one run, for the gateway and its peers alike. */
export interface BenchTokens {
  readonly pem: string;
  readonly jwks: { readonly keys: readonly object[] };
  /** `count` different tokens that an issuer of everyday size would make: 2048 bits, a handful of claims. */
  good(count: number): string[];
  /** Signed by the same key, naming another. */
  unknownKid(count: number): string[];
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export function makeTokens(): BenchTokens {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const nowS = Math.floor(Date.now() / 1000);
  const mint = (kid: string, i: number): string => signed(privateKey, kid, i, nowS);
  return {
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench-1', use: 'sig', alg: 'RS256' }] },
    good: (count) => Array.from({ length: count }, (_, i) => mint('bench-1', i)),
    unknownKid: (count) => Array.from({ length: count }, (_, i) => mint(`unknown-${randomUUID()}`, i)),
  };
}

function signed(key: KeyObject, kid: string, i: number, nowS: number): string {
  const header = { alg: 'RS256', kid, typ: 'at+jwt' };
  const claims = {
    iss: BENCH_ISSUER,
    aud: BENCH_AUDIENCE,
    sub: `user-${i}`,
    client_id: 'bench-client',
    jti: randomUUID(),
    iat: nowS,
    nbf: nowS,
    exp: nowS + 3600,
    scope: 'read:metrics write:metrics',
  };
  const data = `${encode(header)}.${encode(claims)}`;
  return `${data}.${sign('sha256', Buffer.from(data), key).toString('base64url')}`;
}
