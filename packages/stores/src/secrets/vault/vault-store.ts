import { SecretStoreUnavailable } from '../../ports/faults.ts';
import type { SecretMetadata, SecretStore, SecretStoreStatus } from '../../ports/secret-store.ts';
import { SecretUnreadable } from '../kek.ts';
import type { Secret } from '../secret.ts';
import type { VaultClient } from './client.ts';
import { type KvDocument, KvStore, splitPath } from './kv.ts';

/** Times a write is tried again when others write the same document at the same moment. */
const ATTEMPTS_MAX = 12;
const LIST_DOCUMENTS_MAX = 2_000;
const LIST_AT_ONCE = 8;
/** Below this folder of a mount live the realms that are not the first one. */
const REALMS = 'realms';

/**
 * The secrets of one realm in Vault or OpenBao, KV version 2. A path is the path in Vault for the realm named `rootRealm`; others live
 * below `<mount>/data/realms/<realm>/`, which no path of the first one may name. Nothing is kept in memory. A version is that of the whole
 * document, because Vault has no other.
 */
export class VaultSecretStore implements SecretStore {
  readonly #client: Pick<VaultClient, 'health'>;
  readonly #kv: KvStore;
  readonly #folder: string;
  readonly #roots: readonly string[];
  readonly #clock: () => number;

  constructor(options: {
    readonly client: Pick<VaultClient, 'health' | 'request'>;
    readonly realm: string;
    readonly rootRealm: string;
    /** What references may reach, each ending in `/`, e.g. `secret/data/`. */
    readonly roots: readonly string[];
    readonly clock: () => number;
  }) {
    this.#client = options.client;
    this.#kv = new KvStore(options.client);
    this.#folder = options.realm === options.rootRealm ? '' : `${REALMS}/${options.realm}/`;
    this.#roots = options.roots;
    this.#clock = options.clock;
  }

  #outside(path: string): string {
    const split = splitPath(path);
    if (split === null) throw refused(path, 'is not a path of KV version 2');
    if (split.name === REALMS || split.name.startsWith(`${REALMS}/`)) throw refused(path, 'belongs to the other realms');
    return `${split.mount}/data/${this.#folder}${split.name}`;
  }

  async get(path: string, field: string): Promise<Secret | null> {
    return (await this.document(path)).get(field) ?? null;
  }

  async document(path: string): Promise<ReadonlyMap<string, Secret>> {
    return (await this.#kv.read(this.#outside(path))).fields;
  }

  async set(path: string, field: string, value: Secret, by: string): Promise<SecretMetadata> {
    const version = await this.#change(path, by, (fields) => new Map(fields).set(field, value));
    return { path, field, version: version ?? 0, updatedAtMs: this.#clock(), updatedBy: by };
  }

  async setIfAbsent(path: string, field: string, value: Secret, by: string): Promise<boolean> {
    return (await this.#change(path, by, (fields) => (fields.has(field) ? null : new Map(fields).set(field, value)))) !== null;
  }

  /** Makes the document at once unless its path was ever used. False: it was. */
  async create(path: string, fields: ReadonlyMap<string, Secret>, by: string): Promise<boolean> {
    const outside = this.#outside(path);
    if ((await this.#kv.write(outside, fields, 0)) === null) return false;
    await this.#kv.sign(outside, by);
    return true;
  }

  /** Older versions still hold the value, so all of them are destroyed: of the other fields only the newest value stays. */
  async remove(path: string, field: string): Promise<boolean> {
    const outside = this.#outside(path);
    const version = await this.#change(path, 'fluxgate', (fields) => {
      if (!fields.has(field)) return null;
      const rest = new Map(fields);
      rest.delete(field);
      return rest;
    });
    if (version === null) return false;
    if ((await this.#kv.read(outside)).fields.size === 0) await this.#kv.purge(outside);
    else await this.#kv.destroy(outside, Array.from({ length: version - 1 }, (_, i) => i + 1).slice(-KEPT_MAX));
    return true;
  }

  async list(prefix = ''): Promise<readonly SecretMetadata[]> {
    const found: SecretMetadata[] = [];
    for (const root of this.#roots) {
      if (!prefix.startsWith(root) && !root.startsWith(prefix)) continue;
      const paths = await this.#pathsBelow(root, prefix);
      for (let from = 0; from < paths.length; from += LIST_AT_ONCE)
        found.push(...(await Promise.all(paths.slice(from, from + LIST_AT_ONCE).map((path) => this.#entries(path)))).flat());
    }
    return found.sort((a, b) => compare(a.path, b.path) || compare(a.field, b.field));
  }

  async status(): Promise<SecretStoreStatus> {
    const health = await this.#client.health();
    return health.ok ? { ok: true } : { ok: false, why: health.error.message, remedy: health.error.remedy };
  }

  async #entries(path: string): Promise<SecretMetadata[]> {
    const outline = await this.#kv.outline(this.#outside(path));
    if (outline === null) return [];
    const { fields, version, updatedAtMs, updatedBy } = outline;
    return fields.map((field) => ({ path, field, version, updatedAtMs, updatedBy }));
  }

  /** Paths as the realm names them. Folders that cannot hold the prefix are not entered. */
  async #pathsBelow(root: string, prefix: string): Promise<string[]> {
    const paths: string[] = [];
    const folders = [''];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const name of await this.#kv.names(`${root}${this.#folder}${folder}`)) {
        const path = `${root}${folder}${name}`;
        if (this.#folder === '' && folder === '' && name === `${REALMS}/`) continue;
        if (name.endsWith('/')) {
          if (path.startsWith(prefix) || prefix.startsWith(path)) folders.push(`${folder}${name}`);
        } else if (path.startsWith(prefix)) paths.push(path);
        if (paths.length > LIST_DOCUMENTS_MAX)
          throw new SecretUnreadable(
            `more than ${LIST_DOCUMENTS_MAX} documents lie below ${prefix || root}: list a narrower prefix`,
          );
      }
    }
    return paths;
  }

  /** Read, change, write with check-and-set, until nobody came in between. null: `change` wanted none. */
  async #change(
    path: string,
    by: string,
    change: (fields: KvDocument['fields']) => ReadonlyMap<string, Secret> | null,
  ): Promise<number | null> {
    const outside = this.#outside(path);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const current = await this.#kv.read(outside);
      const next = change(current.fields);
      if (next === null) return null;
      const version = await this.#kv.write(outside, next, current.version);
      if (version === null) continue;
      await this.#kv.sign(outside, by);
      return version;
    }
    throw new SecretStoreUnavailable('busy', `${path} is being written by many at once`, 'try again');
  }
}

/** Vault keeps at most this many versions unless it is told otherwise; older ones are gone already. */
const KEPT_MAX = 100;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const refused = (path: string, why: string): SecretUnreadable => new SecretUnreadable(`${path} ${why}`);
