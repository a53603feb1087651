import type { SecretMetadata, SecretStore, SecretStoreStatus } from '../ports/secret-store.ts';
import { SecretUnreadable } from './kek.ts';
import type { Secret } from './secret.ts';

interface Target extends SecretStore {
  /** Makes the document at once unless its path was ever used. False: it was. */
  create(path: string, fields: ReadonlyMap<string, Secret>, by: string): Promise<boolean>;
}

const MOVED_BY = 'moved from the local store';

/**
 * A deployment that begins to use Vault takes along what its `local` store holds: before the first use each document that Vault never had is
 * written there, in one piece. The rows stay behind as they are. Another pepper ring in Vault is a fault: with it every key would be refused.
 */
export class MovedSecretStore implements SecretStore {
  readonly #target: Target;
  readonly #origin: Pick<SecretStore, 'list' | 'document'>;
  #moving: Promise<void> | null = null;
  #isMoved = false;

  constructor(target: Target, origin: Pick<SecretStore, 'list' | 'document'>) {
    this.#target = target;
    this.#origin = origin;
  }

  async get(path: string, field: string): Promise<Secret | null> {
    return (await this.#ready()).get(path, field);
  }
  async document(path: string): Promise<ReadonlyMap<string, Secret>> {
    return (await this.#ready()).document(path);
  }
  async set(path: string, field: string, value: Secret, by: string): Promise<SecretMetadata> {
    return (await this.#ready()).set(path, field, value, by);
  }
  async setIfAbsent(path: string, field: string, value: Secret, by: string): Promise<boolean> {
    return (await this.#ready()).setIfAbsent(path, field, value, by);
  }
  async remove(path: string, field: string): Promise<boolean> {
    return (await this.#ready()).remove(path, field);
  }
  async list(prefix?: string): Promise<readonly SecretMetadata[]> {
    return (await this.#ready()).list(prefix);
  }
  status(): Promise<SecretStoreStatus> {
    return this.#target.status();
  }

  /** A move that fails is tried again at the next use. */
  async #ready(): Promise<Target> {
    if (this.#isMoved) return this.#target;
    this.#moving ??= this.#move().finally(() => {
      this.#moving = null;
    });
    await this.#moving;
    this.#isMoved = true;
    return this.#target;
  }

  async #move(): Promise<void> {
    const paths = new Set((await this.#origin.list()).map(({ path }) => path));
    for (const path of paths) {
      const fields = await this.#origin.document(path);
      if (fields.size === 0 || (await this.#target.create(path, fields, MOVED_BY))) continue;
      const there = await this.#target.document(path);
      const differs = [...fields].some(([field, value]) => {
        const other = /^pepper\.\d+$/.test(field) ? there.get(field) : undefined;
        return other !== undefined && other.reveal() !== value.reveal();
      });
      if (differs)
        throw new SecretUnreadable(
          `another pepper ring than that of the local store lies in Vault at ${path}: keys made so far would be refused; name another vault_path, or restore the ring`,
        );
    }
  }
}
