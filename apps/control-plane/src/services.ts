import type { Convergence, Node } from '@fluxgate/protocol/admin';
import type { SecretStore } from '@fluxgate/stores';
import type { Database } from '@fluxgate/stores/postgres';
import type { SecretPrefixes } from '@fluxgate/stores/secrets';
import type { TokenDigest } from './auth/token-digest.ts';
import type { Door } from './door.ts';
import type { Metrics } from './http/metrics.ts';
import type { Issuer } from './issuer/issuer.ts';
import type { Log } from './log.ts';
import type { SecretsMonitor } from './secrets/monitor.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

export interface CommandAnswer {
  readonly ok: boolean;
  /** JSON; `{ why }` where not ok. */
  readonly body: unknown;
}

export interface SecretsSpread {
  readonly nodes: number;
  readonly reached: number;
  /** By name. */
  readonly pending: readonly string[];
}

/** What operations ask of the sync hub. */
export interface Nodes {
  /** Tells connected nodes that the realm has a new revision. */
  wake(realm: string): void;
  /** Which live nodes decide by the revision, once all do or the timeout has passed. */
  convergence(realm: string, revision: number, timeoutMs: number): Promise<Convergence>;
  list(realm: string): Promise<Node[]>;
  /** Reads the pepper ring again and hands it to the nodes that lack it. */
  pushSecrets(realm: string): Promise<void>;
  /** Which live nodes, at any replica, verify with the secrets of this generation. */
  secretsSpread(realm: string, generation: string): Promise<SecretsSpread>;
  /**
   * Asks the nodes connected to this replica something that is no state; by name, what each answered. A node that leaves, or does not answer in
   * time, is an answer too. `nodes`: only these.
   */
  command(
    realm: string,
    name: string,
    args: Readonly<Record<string, JsonValue>>,
    timeoutMs: number,
    nodes?: readonly string[],
  ): Promise<ReadonlyMap<string, CommandAnswer>>;
  /** Cuts off the nodes that came with this token. */
  disconnect(tokenKid: string): void;
}

/** Everything an operation may use, made once in `start/serve.ts`. */
export interface Services {
  readonly db: Database;
  /** The secret store of one realm. */
  readonly secretsOf: (realm: string) => SecretStore;
  readonly secretsMonitor: SecretsMonitor;
  readonly nodes: Nodes;
  /** What references to secrets may reach. */
  readonly prefixes: SecretPrefixes;
  /** Only read for `env:` references, under their prefix. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly tokenDigest: TokenDigest;
  readonly issuer: Issuer;
  readonly door: Door;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
}
