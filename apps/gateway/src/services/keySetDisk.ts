import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, type PublicJwk, readKeySet } from '@fluxgate/policy';

export interface StoredKeySet {
  readonly keys: readonly PublicJwk[];
  readonly blocked: readonly string[];
  /** Wall clock, milliseconds since 1970. */
  readonly fetchedAtMs: number;
}

/** Where key sets outlive the process: public keys only. Whoever can write here is the node itself (the directory is 0700, like its private key). */
export interface KeySetDisk {
  load(provider: string): StoredKeySet | null;
  save(provider: string, stored: StoredKeySet): void;
}

/** One file per provider, replaced as a whole. A file that cannot be read in full counts as missing. */
export function keySetDisk(dataDir: string): KeySetDisk {
  const dir = join(dataDir, 'jwks');
  const pathOf = (provider: string): string =>
    join(dir, `${createHash('sha256').update(provider).digest('hex').slice(0, 32)}.json`);
  return {
    load(provider) {
      try {
        return readStored(readFileSync(pathOf(provider), 'utf8'), provider);
      } catch {
        return null;
      }
    },
    save(provider, stored) {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const path = pathOf(provider);
      const document = {
        format: 1,
        provider,
        fetched_at_ms: stored.fetchedAtMs,
        blocked: stored.blocked,
        keys: stored.keys.map((key) => ({
          ...(key.kid === null ? {} : { kid: key.kid }),
          ...(key.alg === null ? {} : { alg: key.alg }),
          ...key.material,
        })),
      };
      const file = openSync(`${path}.new`, 'w', 0o600);
      try {
        writeSync(file, `${JSON.stringify(document)}\n`);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(`${path}.new`, path);
    },
  };
}

/** Judged like what comes from the network: a key that would be refused there is refused here. */
function readStored(text: string, provider: string): StoredKeySet | null {
  const document: unknown = JSON.parse(text);
  if (!isObject(document) || document['format'] !== 1 || document['provider'] !== provider) return null;
  const { fetched_at_ms: fetchedAtMs, blocked } = document;
  const set = readKeySet(document);
  if (set === null || typeof fetchedAtMs !== 'number' || !Number.isFinite(fetchedAtMs)) return null;
  const names = Array.isArray(blocked) ? blocked.filter((one): one is string => typeof one === 'string') : [];
  return { keys: set.keys, blocked: names, fetchedAtMs };
}
