import { DEFAULT_API_KEY_SETTINGS, type Settings } from '@fluxgate/policy';
import { decodeConfigEntity, ENTITY, type SecretsContent, sealTo } from '@fluxgate/protocol/sync';
import type { SecretStore } from '@fluxgate/stores';
import { type Database, hasKeys } from '@fluxgate/stores/postgres';
import { ensurePepperRing, type Kek, type PepperRing } from '@fluxgate/stores/secrets';

const MADE_BY = 'control-plane';

/**
 * The secrets lane of one realm: the pepper ring, and for each node the key of its disk. What leaves here is sealed to one node's
 * X25519 key.
 */
export class SecretsLane {
  readonly #realm: string;
  readonly #db: Pick<Database, 'prisma'>;
  readonly #kek: Pick<Kek, 'derive'>;
  readonly #store: SecretStore;
  readonly #random: (bytes: number) => Uint8Array;
  #ring: PepperRing | null = null;
  #reading: Promise<boolean> | null = null;

  constructor(options: {
    readonly realm: string;
    readonly db: Pick<Database, 'prisma'>;
    readonly kek: Pick<Kek, 'derive'>;
    readonly store: SecretStore;
    readonly random: (bytes: number) => Uint8Array;
  }) {
    this.#realm = options.realm;
    this.#db = options.db;
    this.#kek = options.kek;
    this.#store = options.store;
    this.#random = options.random;
  }

  /** Names what the nodes should hold; null until the ring was read once. */
  get generation(): string | null {
    return this.#ring?.generation ?? null;
  }

  knows(pepperVersion: number): boolean {
    return this.#ring?.peppers.has(pepperVersion) ?? false;
  }

  /** Reads the ring (made on first need). True: it changed. Errors: `DatabaseUnavailable`, `SecretStoreUnavailable`, `SecretUnreadable`. */
  refresh(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<boolean> {
    const ring = await ensurePepperRing(this.#store, await this.#vaultPath(), {
      by: MADE_BY,
      random: this.#random,
      isNeeded: () => hasKeys(this.#db.prisma, this.#realm),
    });
    const changed = ring.generation !== this.#ring?.generation;
    this.#ring = ring;
    return changed;
  }

  async #vaultPath(): Promise<string> {
    const row = await this.#db.prisma.entity.findUnique({
      where: { realm_kind_id: { realm: this.#realm, kind: ENTITY.settings, id: '' } },
      select: { payload: true },
    });
    const decoded = row === null ? null : decodeConfigEntity(ENTITY.settings, '', row.payload);
    const settings = decoded?.ok === true ? (decoded.value.value as Settings) : null;
    return settings?.apiKey?.vaultPath ?? DEFAULT_API_KEY_SETTINGS.vaultPath;
  }

  /**
   * What one node gets. Its disk key follows from the KEK, its name and its X25519 key: whoever comes with a stolen token and a key of
   * his own gets another one, and cannot open the disk of the node he imitates.
   */
  sealFor(node: string, publicKey: Uint8Array): { readonly generation: string; readonly sealed: string } | null {
    const ring = this.#ring;
    if (ring === null) return null;
    const place = ['node-disk', this.#realm, node, Buffer.from(publicKey).toString('base64')].join('\0');
    const content: SecretsContent = {
      generation: ring.generation,
      peppers: Object.fromEntries(
        [...ring.peppers].map(([version, bytes]) => [String(version), Buffer.from(bytes).toString('base64')]),
      ),
      diskKey: Buffer.from(this.#kek.derive('fluxgate/node-disk/1', place)).toString('base64'),
    };
    return {
      generation: ring.generation,
      sealed: sealTo(publicKey, Buffer.from(JSON.stringify(content), 'utf8')).toString('base64'),
    };
  }
}
