import { createHash, createPrivateKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { type PublicSigningJwk, type Signer, type SigningAlgorithm, SigningKeyMissing } from '../ports/signer.ts';
import { classified } from '../postgres/classify.ts';
import type { Client } from '../postgres/client.ts';
import type { Kek } from '../secrets/kek.ts';

const generatePair = promisify(generateKeyPair);
const signAsync = promisify(sign);
const RSA_BITS = 3072;
/** Opened keys kept in memory. A ring signs with one at a time. */
const OPEN_MAX = 4;

interface Scheme {
  generate(): Promise<{ publicKey: KeyObject; privateKey: KeyObject }>;
  readonly hash: 'sha256' | 'sha384';
}
const SCHEMES: Readonly<Record<SigningAlgorithm, Scheme>> = {
  ES256: { generate: () => generatePair('ec', { namedCurve: 'P-256' }), hash: 'sha256' },
  ES384: { generate: () => generatePair('ec', { namedCurve: 'P-384' }), hash: 'sha384' },
  RS256: { generate: () => generatePair('rsa', { modulusLength: RSA_BITS, publicExponent: 0x10001 }), hash: 'sha256' },
};
const schemeOf = (algorithm: string): Scheme | null =>
  Object.hasOwn(SCHEMES, algorithm) ? SCHEMES[algorithm as SigningAlgorithm] : null;

/** RFC 7638: the required members in lexical order. */
export function thumbprint(jwk: { readonly [member: string]: unknown }): string {
  const members = jwk['kty'] === 'EC' ? ['crv', 'kty', 'x', 'y'] : ['e', 'kty', 'n'];
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash('sha256').update(canonical).digest('base64url');
}

export function publicJwk(key: KeyObject, alg: SigningAlgorithm): PublicSigningJwk {
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' });
  const material = kty === 'EC' ? { kty, crv, x, y } : { kty, n, e };
  return { ...material, kid: thumbprint(material), use: 'sig', alg } as PublicSigningJwk;
}

/**
 * Private keys sealed under the KEK in the table `signing_key`, one row per key. The clear PKCS #8 exists twice: between making and
 * sealing, and between opening and import; both buffers are overwritten. What stays in memory is an OpenSSL key object.
 */
export class LocalSigner implements Signer {
  readonly name = 'local';
  readonly #prisma: Pick<Client, 'signingKey'>;
  readonly #kek: Pick<Kek, 'seal' | 'open'>;
  readonly #realm: string;
  readonly #clock: () => number;
  readonly #open = new Map<string, Promise<{ key: KeyObject; scheme: Scheme }>>();

  constructor(options: {
    readonly prisma: Pick<Client, 'signingKey'>;
    readonly kek: Pick<Kek, 'seal' | 'open'>;
    readonly realm: string;
    /** Milliseconds since 1970. */
    readonly clock: () => number;
  }) {
    this.#prisma = options.prisma;
    this.#kek = options.kek;
    this.#realm = options.realm;
    this.#clock = options.clock;
  }

  #place(kid: string, algorithm: string): string[] {
    return ['issuer-key', this.#realm, kid, algorithm];
  }

  async generate(algorithm: SigningAlgorithm): Promise<PublicSigningJwk> {
    const { publicKey, privateKey } = await SCHEMES[algorithm].generate();
    const jwk = publicJwk(publicKey, algorithm);
    const clear = privateKey.export({ format: 'der', type: 'pkcs8' });
    const sealed = Uint8Array.from(this.#kek.seal(clear, this.#place(jwk.kid, algorithm)));
    clear.fill(0);
    await classified(() =>
      this.#prisma.signingKey.create({
        data: { kid: jwk.kid, realm: this.#realm, algorithm, publicJwk: { ...jwk }, sealed, createdAt: new Date(this.#clock()) },
      }),
    );
    return jwk;
  }

  async sign(kid: string, signingInput: Uint8Array): Promise<Uint8Array> {
    const { key, scheme } = await this.#opened(kid);
    return signAsync(scheme.hash, signingInput, { key, dsaEncoding: 'ieee-p1363' });
  }

  async forget(kid: string): Promise<void> {
    this.#open.delete(kid);
    await classified(() => this.#prisma.signingKey.deleteMany({ where: { realm: this.#realm, kid } }));
  }

  async list(): Promise<readonly { readonly kid: string; readonly createdAtMs: number }[]> {
    const rows = await classified(() =>
      this.#prisma.signingKey.findMany({
        where: { realm: this.#realm },
        select: { kid: true, createdAt: true },
        orderBy: { createdAt: 'asc' },
      }),
    );
    return rows.map(({ kid, createdAt }) => ({ kid, createdAtMs: createdAt.getTime() }));
  }

  /** Many requests at once open a key once. A failure is not remembered. */
  #opened(kid: string): Promise<{ key: KeyObject; scheme: Scheme }> {
    const known = this.#open.get(kid);
    if (known !== undefined) return known;
    const opening = this.#unseal(kid);
    const oldest = this.#open.size >= OPEN_MAX ? this.#open.keys().next().value : undefined;
    if (oldest !== undefined) this.#open.delete(oldest);
    this.#open.set(kid, opening);
    opening.catch(() => this.#open.delete(kid));
    return opening;
  }

  async #unseal(kid: string): Promise<{ key: KeyObject; scheme: Scheme }> {
    const row = await classified(() => this.#prisma.signingKey.findUnique({ where: { realm_kid: { realm: this.#realm, kid } } }));
    const scheme = row === null ? null : schemeOf(row.algorithm);
    if (row === null || scheme === null) throw new SigningKeyMissing(`there is no signing key ${kid.slice(0, 100)} here`);
    const opened = this.#kek.open(row.sealed, this.#place(kid, row.algorithm));
    const clear = Buffer.from(opened.buffer, opened.byteOffset, opened.byteLength); // a view: one copy to overwrite
    try {
      return { key: createPrivateKey({ key: clear, format: 'der', type: 'pkcs8' }), scheme };
    } finally {
      clear.fill(0);
    }
  }
}
