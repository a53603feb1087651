import { DEFAULT_KEYRING_TIMES, type KeyringTimes } from '@fluxgate/policy';
import type { Database } from '@fluxgate/stores/postgres';
import { type Kek, SecretUnreadable } from '@fluxgate/stores/secrets';
import { LocalSigner, type Signer, SignerUnavailable, type SigningAlgorithm, SigningKeyMissing } from '@fluxgate/stores/signing';
import type { IssuerConfig } from '../config.issuer.ts';
import type { Door } from '../door.ts';
import { type RingReader, ringReader } from './ring.ts';

/** The token issuer of this control plane: addresses, times, and who signs. */
export interface Issuer {
  /**
   * Scheme, host and path in front of everything the issuer serves; null: the control plane listens on every address and
   * FLUXGATE_ISSUER is not set, so it does not know its name and makes no tokens.
   */
  baseUrl(): string | null;
  readonly algorithm: SigningAlgorithm;
  readonly rotateEveryMs: number | null;
  readonly jwksCacheMs: number;
  readonly times: KeyringTimes;
  readonly rings: RingReader;
  /** Makes new keys. */
  signerFor(realm: string): Signer;
  /** Signs with keys made by the signer of this name; null: this control plane has none. */
  signerNamed(realm: string, name: string): Signer | null;
}

/** Signers by realm, the first one for new keys. Vault, where it is configured, goes in front of `local`. */
export type SignerFactory = (realm: string) => Signer;

export function localSigners(db: Database, kek: Kek, door: Door): SignerFactory {
  return (realm) => new LocalSigner({ prisma: db.prisma, kek, realm, clock: door.nowMs });
}

/**
 * The lead of a new key is the cache life of a key set and, for the time that answers and clocks take, as much again but at most the
 * minute of skew: 360 s by default.
 */
export function keyringTimes(jwksCacheMs: number): KeyringTimes {
  const { skewMs } = DEFAULT_KEYRING_TIMES;
  return { ...DEFAULT_KEYRING_TIMES, publishAheadMs: jwksCacheMs + Math.min(skewMs, jwksCacheMs) };
}

export function createIssuer(
  db: Database,
  door: Door,
  settings: Pick<IssuerConfig, 'algorithm' | 'rotateEveryMs' | 'jwksCacheMs'>,
  signers: readonly [SignerFactory, ...SignerFactory[]],
  baseUrl: () => string | null,
): Issuer {
  const byRealm = new Map<string, readonly Signer[]>();
  const signersOf = (realm: string): readonly Signer[] => {
    const known = byRealm.get(realm) ?? signers.map((make) => make(realm));
    byRealm.set(realm, known);
    return known;
  };
  const issuer: Issuer = {
    algorithm: settings.algorithm,
    rotateEveryMs: settings.rotateEveryMs,
    jwksCacheMs: settings.jwksCacheMs,
    baseUrl,
    times: keyringTimes(settings.jwksCacheMs),
    rings: ringReader(db, door, () => issuer),
    signerFor: (realm) => signersOf(realm)[0] as Signer,
    signerNamed: (realm, name) => signersOf(realm).find((signer) => signer.name === name) ?? null,
  };
  return issuer;
}

/** The keeper of the keys cannot sign now: an outage (503), never a refusal of the one who asked. */
export function isSignerOutage(error: unknown): boolean {
  return error instanceof SignerUnavailable || error instanceof SigningKeyMissing || error instanceof SecretUnreadable;
}
