import type { SecretStore } from '@fluxgate/stores';
import type { Database } from '@fluxgate/stores/postgres';
import type { Kek } from '@fluxgate/stores/secrets';

/** The part of a pino logger that the hub uses. */
export interface HubLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Who a node token belongs to. */
export interface TokenHolder {
  readonly realm: string;
  readonly kid: string;
}

export interface HubOptions {
  readonly db: Database;
  /** Opens the realms' signing keys, derives the nodes' disk keys. */
  readonly kek: Kek;
  readonly secretsOf: (realm: string) => SecretStore;
  /**
   * Judges `fgn_<realm>_<kid>_<secret>` (the fingerprint is cut off before), comparing in constant time. null: not a valid token.
   * Throws when it cannot tell: the node hears 503, never 401.
   */
  readonly verifyNodeToken: (token: string) => Promise<TokenHolder | null> | TokenHolder | null;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly random: (bytes: number) => Uint8Array;
  readonly log: HubLog;
  /** Times of the hub's own work, shortened by tests. */
  readonly pace?: Partial<Pace>;
}

export interface Pace {
  /** How often the heads are read when nobody wakes the hub: what another replica wrote is seen within this. */
  readonly pollMs: number;
  readonly heartbeatMs: number;
  /** Acks are written to the node table this often, all in one statement. */
  readonly flushMs: number;
  /** Pings, revoked tokens, changed pepper rings. */
  readonly sweepMs: number;
  /** A socket that said nothing, not even a pong, for this long is dead. */
  readonly silenceMs: number;
  /** From the upgrade to a complete hello. */
  readonly helloMs: number;
}

export const PACE: Pace = { pollMs: 100, heartbeatMs: 1_000, flushMs: 200, sweepMs: 2_000, silenceMs: 8_000, helloMs: 5_000 };
