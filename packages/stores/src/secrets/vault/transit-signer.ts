import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { SecretStoreUnavailable } from '../../ports/faults.ts';
import {
  type PublicSigningJwk,
  type Signer,
  SignerUnavailable,
  type SigningAlgorithm,
  SigningKeyMissing,
} from '../../ports/signer.ts';
import { type Answer, member, outageOf } from './answers.ts';
import type { VaultClient } from './client.ts';

interface Scheme {
  readonly type: string;
  readonly hash: 'sha256' | 'sha384';
  /** Transit's name of the hash. */
  readonly transitHash: string;
  readonly options: object;
}
/** https://openbao.org/api-docs/secret/transit/: with `jws` marshalling ECDSA comes as R ‖ S (RFC 7518 §3.4). */
const SCHEMES: Readonly<Record<SigningAlgorithm, Scheme>> = {
  ES256: { type: 'ecdsa-p256', hash: 'sha256', transitHash: 'sha2-256', options: { marshaling_algorithm: 'jws' } },
  ES384: { type: 'ecdsa-p384', hash: 'sha384', transitHash: 'sha2-384', options: { marshaling_algorithm: 'jws' } },
  RS256: { type: 'rsa-3072', hash: 'sha256', transitHash: 'sha2-256', options: { signature_algorithm: 'pkcs1v15' } },
};
const algorithmOf = (type: unknown): SigningAlgorithm | null =>
  (Object.keys(SCHEMES) as SigningAlgorithm[]).find((name) => SCHEMES[name].type === type) ?? null;

const KID = /^[A-Za-z0-9]{22}$/;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KNOWN_MAX = 64;

/**
 * Issuer keys made in Vault's Transit engine, not exportable, so that the private half never leaves it. One Transit key per kid, named
 * `<prefix>-<realm>-<kid>`. Only the digest of what is signed goes to Vault.
 */
export class VaultTransitSigner implements Signer {
  readonly name = 'vault';
  readonly #client: Pick<VaultClient, 'request'>;
  readonly #mount: string;
  readonly #stem: string;
  readonly #random: (bytes: number) => Uint8Array;
  /** Kid → algorithm; public facts that never change. */
  readonly #known = new Map<string, SigningAlgorithm>();

  constructor(options: {
    readonly client: Pick<VaultClient, 'request'>;
    readonly realm: string;
    /** FLUXGATE_VAULT_TRANSIT_KEY: what the names of our keys begin with. */
    readonly prefix: string;
    readonly mount?: string;
    readonly random?: (bytes: number) => Uint8Array;
  }) {
    this.#client = options.client;
    this.#mount = options.mount ?? 'transit';
    this.#stem = `${options.prefix}-${options.realm}-`;
    this.#random = options.random ?? randomBytes;
  }

  async generate(algorithm: SigningAlgorithm): Promise<PublicSigningJwk> {
    const kid = this.#newKid();
    const made = await this.#ask('POST', `keys/${this.#stem}${kid}`, {
      type: SCHEMES[algorithm].type,
      exportable: false,
      allow_plaintext_backup: false,
    });
    if (made.status >= 300) throw new SignerUnavailable(outageOf(made, 'making a Transit key').message);
    const key = await this.#read(kid);
    if (key === null) throw new SignerUnavailable('Vault does not show the Transit key that it made: its policy needs `read`');
    return { ...publicJwkOf(key.publicKey), kid, use: 'sig', alg: algorithm } as PublicSigningJwk;
  }

  async sign(kid: string, signingInput: Uint8Array): Promise<Uint8Array> {
    const algorithm = this.#known.get(kid) ?? (await this.#read(kid))?.algorithm;
    if (algorithm === undefined) throw missing(kid);
    const { hash, transitHash, options } = SCHEMES[algorithm];
    const answer = await this.#ask('POST', `sign/${this.#stem}${kid}/${transitHash}`, {
      input: createHash(hash).update(signingInput).digest('base64'),
      prehashed: true,
      ...options,
    });
    if (answer.status === 404 || (answer.status === 400 && answer.errors.some((error) => /not found/i.test(error)))) {
      this.#known.delete(kid);
      throw missing(kid);
    }
    const [, signature] = /^vault:v\d+:([A-Za-z0-9+/_=-]+)$/.exec(String(member(answer.body, 'data', 'signature') ?? '')) ?? [];
    if (answer.status !== 200 || signature === undefined)
      throw new SignerUnavailable(outageOf(answer, 'signing with Transit').message);
    return Buffer.from(signature, 'base64'); // takes base64url too
  }

  async forget(kid: string): Promise<void> {
    this.#known.delete(kid);
    if (!KID.test(kid)) return;
    const allowed = await this.#ask('POST', `keys/${this.#stem}${kid}/config`, { deletion_allowed: true });
    if (allowed.status === 400 || allowed.status === 404) return; // there is no such key
    const gone = await this.#ask('DELETE', `keys/${this.#stem}${kid}`, null);
    if (gone.status >= 300 && gone.status !== 404 && !gone.errors.some((error) => /not found/i.test(error)))
      throw new SignerUnavailable(outageOf(gone, 'deleting a Transit key').message);
  }

  async list(): Promise<readonly { readonly kid: string; readonly createdAtMs: number }[]> {
    const answer = await this.#ask('LIST', 'keys', null);
    if (answer.status === 404) return [];
    if (answer.status !== 200) throw new SignerUnavailable(outageOf(answer, 'listing Transit keys').message);
    const names = member(answer.body, 'data', 'keys');
    const kids = (Array.isArray(names) ? names.map(String) : [])
      .filter((name) => name.startsWith(this.#stem))
      .map((name) => name.slice(this.#stem.length))
      .filter((kid) => KID.test(kid));
    const found: { kid: string; createdAtMs: number }[] = [];
    for (const kid of kids) {
      const key = await this.#read(kid);
      if (key !== null) found.push({ kid, createdAtMs: key.createdAtMs });
    }
    return found.sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  async #read(kid: string): Promise<{ algorithm: SigningAlgorithm; publicKey: string; createdAtMs: number } | null> {
    if (!KID.test(kid)) return null;
    const answer = await this.#ask('GET', `keys/${this.#stem}${kid}`, null);
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw new SignerUnavailable(outageOf(answer, 'reading a Transit key').message);
    const algorithm = algorithmOf(member(answer.body, 'data', 'type'));
    const first = member(answer.body, 'data', 'keys', '1');
    const publicKey = member(first, 'public_key');
    if (algorithm === null || typeof publicKey !== 'string') return null; // not one of ours
    const oldest = this.#known.size >= KNOWN_MAX ? this.#known.keys().next().value : undefined;
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(kid, algorithm);
    return { algorithm, publicKey, createdAtMs: Date.parse(String(member(first, 'creation_time') ?? '')) || 0 };
  }

  /** 22 characters of base62 without bias: 131 bits. */
  #newKid(): string {
    let kid = '';
    while (kid.length < 22) for (const byte of this.#random(32)) if (byte < 248 && kid.length < 22) kid += ALPHABET[byte % 62];
    return kid;
  }

  async #ask(method: 'GET' | 'LIST' | 'POST' | 'DELETE', path: string, body: object | null): Promise<Answer> {
    try {
      return await this.#client.request(method, `${this.#mount}/${path}`, body);
    } catch (error) {
      if (!(error instanceof SecretStoreUnavailable)) throw error;
      throw new SignerUnavailable(error.message, { cause: error });
    }
  }
}

function publicJwkOf(pem: string): object {
  const { kty, crv, x, y, n, e } = createPublicKey(pem).export({ format: 'jwk' });
  return kty === 'EC' ? { kty, crv, x, y } : { kty, n, e };
}

const missing = (kid: string): SigningKeyMissing =>
  new SigningKeyMissing(`there is no signing key ${kid.slice(0, 100)} in Transit`);
