import { SecretStoreUnavailable } from '../../ports/faults.ts';
import { Secret } from '../secret.ts';
import { type Answer, member, outageOf } from './answers.ts';
import type { VaultClient } from './client.ts';

/** KV version 2 (https://openbao.org/api-docs/secret/kv/kv-v2/): a document of fields per path, in versions. */
export interface KvDocument {
  /** 0: there never was one. What `cas` has to name. */
  readonly version: number;
  /** Empty when there is none, or its newest version was deleted or destroyed. */
  readonly fields: ReadonlyMap<string, Secret>;
  readonly updatedAtMs: number;
  readonly updatedBy: string;
}

export interface KvOutline extends Omit<KvDocument, 'fields'> {
  readonly fields: readonly string[];
}

/** `secret/data/a/b` → mount `secret`, name `a/b`. null: not a path of KV version 2. */
export function splitPath(path: string): { readonly mount: string; readonly name: string } | null {
  const [, mount, name] = /^([^/]+(?:\/[^/]+)*?)\/data\/(.+)$/.exec(path) ?? [];
  return mount === undefined || name === undefined ? null : { mount, name };
}

/** Values in Vault are JSON texts. Bytes that are not UTF-8, or that look like this mark, travel in base64 behind it. */
const MARK = 'fluxgate-base64:';
const AUTHOR = 'fluxgate_updated_by';

function encodeValue(secret: Secret): string {
  const bytes = Buffer.from(secret.revealBytes());
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) && !text.startsWith(MARK) ? text : `${MARK}${bytes.toString('base64')}`;
}

/** Others may have written numbers or objects there. */
function decodeValue(value: unknown): Secret | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') return Secret.fromText(JSON.stringify(value));
  return value.startsWith(MARK) ? Secret.fromBytes(Buffer.from(value.slice(MARK.length), 'base64')) : Secret.fromText(value);
}

const encoded = (name: string): string => name.split('/').map(encodeURIComponent).join('/');

/** Documents of KV version 2 by their full path. Errors: `SecretStoreUnavailable`. */
export class KvStore {
  readonly #client: Pick<VaultClient, 'request'>;

  constructor(client: Pick<VaultClient, 'request'>) {
    this.#client = client;
  }

  async read(path: string): Promise<KvDocument> {
    const answer = await this.#client.request('GET', place(path, 'data'));
    if (answer.status !== 200 && answer.status !== 404) throw outageOf(answer, `read of ${path}`);
    const fields = new Map<string, Secret>();
    const data = member(answer.body, 'data', 'data');
    if (answer.status === 200 && typeof data === 'object' && data !== null) {
      for (const [name, value] of Object.entries(data)) {
        const secret = decodeValue(value);
        if (secret !== null) fields.set(name, secret);
      }
    }
    // A deleted version answers 404 with its metadata, and counts for check-and-set.
    return { ...metadataOf(answer), fields };
  }

  /** Names of the fields without their values; falls back to reading where `subkeys` is not allowed. null: there is no document. */
  async outline(path: string): Promise<KvOutline | null> {
    let answer: Answer | null = null;
    try {
      answer = await this.#client.request('GET', place(path, 'subkeys'));
    } catch (error) {
      if (!(error instanceof SecretStoreUnavailable) || error.outage !== 'denied') throw error;
    }
    const subkeys = answer?.status === 200 ? member(answer.body, 'data', 'subkeys') : undefined;
    if (answer !== null && typeof subkeys === 'object' && subkeys !== null)
      return { ...metadataOf(answer), fields: Object.keys(subkeys) };
    const { fields, ...rest } = await this.read(path);
    return fields.size === 0 ? null : { ...rest, fields: [...fields.keys()] };
  }

  /** Writes a version if the newest is still `cas`; null: it is not, nothing was written. */
  async write(path: string, fields: ReadonlyMap<string, Secret>, cas: number): Promise<number | null> {
    const data = Object.fromEntries([...fields].map(([name, secret]) => [name, encodeValue(secret)]));
    const answer = await this.#client.request('POST', place(path, 'data'), { options: { cas }, data });
    if (answer.status === 400 && answer.errors.some((error) => /check-and-set/i.test(error))) return null;
    if (answer.status !== 200) throw outageOf(answer, `write of ${path}`);
    return Number(member(answer.body, 'data', 'version') ?? cas + 1);
  }

  /** Notes who wrote last. A policy without `patch` on metadata costs the name, not the write. */
  async sign(path: string, by: string): Promise<void> {
    try {
      await this.#client.request('PATCH', place(path, 'metadata'), { custom_metadata: { [AUTHOR]: by.slice(0, 200) } });
    } catch (error) {
      if (!(error instanceof SecretStoreUnavailable)) throw error;
    }
  }

  async destroy(path: string, versions: readonly number[]): Promise<void> {
    if (versions.length === 0) return;
    const answer = await this.#client.request('POST', place(path, 'destroy'), { versions });
    if (answer.status >= 300) throw outageOf(answer, `destruction of versions of ${path}`);
  }

  /** The document with all versions and its history. */
  async purge(path: string): Promise<void> {
    const answer = await this.#client.request('DELETE', place(path, 'metadata'));
    if (answer.status >= 300 && answer.status !== 404) throw outageOf(answer, `removal of ${path}`);
  }

  /** Names right below a folder (`secret/data/` or `secret/data/a/`); those ending in `/` are folders. */
  async names(folder: string): Promise<readonly string[]> {
    const [, mount = '', below = ''] = /^(.+?)\/data\/(.*)$/.exec(folder) ?? [];
    const answer = await this.#client.request('LIST', `${encoded(mount)}/metadata/${encoded(below)}`);
    if (answer.status === 404) return [];
    if (answer.status !== 200) throw outageOf(answer, `listing of ${folder}`);
    const keys = member(answer.body, 'data', 'keys');
    return Array.isArray(keys) ? keys.map(String) : [];
  }
}

function place(path: string, kind: 'data' | 'metadata' | 'subkeys' | 'destroy'): string {
  const split = splitPath(path);
  if (split === null)
    throw new SecretStoreUnavailable(
      'denied',
      `${path} is not a path of KV version 2`,
      'write <mount>/data/<name>, e.g. secret/data/api-keys',
    );
  return `${encoded(split.mount)}/${kind}/${encoded(split.name)}`;
}

/** In the data of a read answer, beside the data, or on its own. */
function metadataOf({ body }: Answer): Omit<KvDocument, 'fields'> {
  const metadata = member(body, 'data', 'metadata');
  const createdAt = Date.parse(String(member(metadata, 'created_time') ?? ''));
  const by = member(metadata, 'custom_metadata', AUTHOR);
  return {
    version: Number(member(metadata, 'version') ?? 0),
    updatedAtMs: Number.isNaN(createdAt) ? 0 : createdAt,
    updatedBy: typeof by === 'string' ? by : 'vault',
  };
}
