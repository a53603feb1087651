import type { SecretMetadata, SecretStore } from '../ports/secret-store.ts';
import { classified } from '../postgres/classify.ts';
import type { Client } from '../postgres/client.ts';
import type { Kek } from './kek.ts';
import { Secret } from './secret.ts';

/** Times a write is tried again when others write the same field at the same moment. */
const ATTEMPTS_MAX = 8;

interface Row {
  readonly path: string;
  readonly field: string;
  readonly version: number;
  readonly updatedBy: string;
  readonly updatedAt: Date;
}

const metadata = (row: Row): SecretMetadata => ({
  path: row.path,
  field: row.field,
  version: row.version,
  updatedAtMs: row.updatedAt.getTime(),
  updatedBy: row.updatedBy,
});

/**
 * The `local` secret store of one realm: a row per path and field, sealed under the KEK for exactly that realm, path, field
 * and version, so that rows cannot be swapped, copied between realms, or rolled back one by one with another version number.
 */
export class LocalSecretStore implements SecretStore {
  readonly #prisma: Pick<Client, 'secret'>;
  readonly #kek: Kek;
  readonly #realm: string;
  readonly #clock: () => number;

  constructor(options: {
    readonly prisma: Pick<Client, 'secret'>;
    readonly kek: Kek;
    readonly realm: string;
    readonly clock: () => number;
  }) {
    this.#prisma = options.prisma;
    this.#kek = options.kek;
    this.#realm = options.realm;
    this.#clock = options.clock;
  }

  #place(path: string, field: string, version: number): string[] {
    return ['secret', this.#realm, path, field, String(version)];
  }

  async get(path: string, field: string): Promise<Secret | null> {
    const row = await classified(() =>
      this.#prisma.secret.findUnique({ where: { realm_path_field: { realm: this.#realm, path, field } } }),
    );
    return row === null ? null : Secret.fromBytes(this.#kek.open(row.sealed, this.#place(path, field, row.version)));
  }

  async document(path: string): Promise<ReadonlyMap<string, Secret>> {
    const rows = await classified(() => this.#prisma.secret.findMany({ where: { realm: this.#realm, path } }));
    return new Map(
      rows.map(({ field, sealed, version }) => [
        field,
        Secret.fromBytes(this.#kek.open(sealed, this.#place(path, field, version))),
      ]),
    );
  }

  async remove(path: string, field: string): Promise<boolean> {
    const { count } = await classified(() => this.#prisma.secret.deleteMany({ where: { realm: this.#realm, path, field } }));
    return count > 0;
  }

  async set(path: string, field: string, value: Secret, by: string): Promise<SecretMetadata> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const current = await classified(() =>
        this.#prisma.secret.findUnique({
          where: { realm_path_field: { realm: this.#realm, path, field } },
          select: { version: true },
        }),
      );
      if (current === null) {
        if (await this.setIfAbsent(path, field, value, by)) {
          return { path, field, version: 1, updatedAtMs: this.#clock(), updatedBy: by };
        }
        continue;
      }
      const next: Row = { path, field, version: current.version + 1, updatedBy: by, updatedAt: new Date(this.#clock()) };
      const { count } = await classified(() =>
        this.#prisma.secret.updateMany({
          // The version is part of what is sealed: replace only the one that was read.
          where: { realm: this.#realm, path, field, version: current.version },
          data: {
            sealed: this.#sealed(path, field, next.version, value),
            version: next.version,
            updatedBy: by,
            updatedAt: next.updatedAt,
          },
        }),
      );
      if (count === 1) return metadata(next);
    }
    throw new Error(`${path}#${field} is being written by many at once`);
  }

  async setIfAbsent(path: string, field: string, value: Secret, by: string): Promise<boolean> {
    const { count } = await classified(() =>
      this.#prisma.secret.createMany({
        data: [
          {
            realm: this.#realm,
            path,
            field,
            version: 1,
            sealed: this.#sealed(path, field, 1, value),
            updatedBy: by,
            updatedAt: new Date(this.#clock()),
          },
        ],
        skipDuplicates: true,
      }),
    );
    return count === 1;
  }

  async list(prefix = ''): Promise<readonly SecretMetadata[]> {
    const rows = await classified(() =>
      this.#prisma.secret.findMany({
        where: { realm: this.#realm, path: { startsWith: prefix } },
        select: { path: true, field: true, version: true, updatedBy: true, updatedAt: true },
        orderBy: [{ path: 'asc' }, { field: 'asc' }],
      }),
    );
    return rows.map(metadata);
  }

  async status(): Promise<{ ok: true } | { ok: false; why: string; remedy: string }> {
    try {
      // Opening one entry shows both that the table answers and that the KEK is the right one.
      const [first] = await this.list();
      if (first !== undefined) await this.get(first.path, first.field);
      return { ok: true };
    } catch (error) {
      const why = error instanceof Error ? error.message : 'the secret store does not answer';
      return { ok: false, why, remedy: 'check DATABASE_URL and FLUXGATE_KEK_FILE of the control plane' };
    }
  }

  #sealed(path: string, field: string, version: number, value: Secret): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#kek.seal(value.revealBytes(), this.#place(path, field, version)));
  }
}
