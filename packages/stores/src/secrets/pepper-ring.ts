import { createHash, randomBytes } from 'node:crypto';
import type { SecretStore } from '../ports/secret-store.ts';
import { SecretUnreadable } from './kek.ts';
import { Secret } from './secret.ts';

/** Where the ring lives unless the settings name another `vault_path`. */
export const PEPPER_PATH = 'secret/data/api-keys';
const PEPPER_BYTES = 32;

/** Versioned peppers of one realm: new keys use `current`, older keys name theirs. */
export interface PepperRing {
  readonly current: number;
  /** Version → 32 bytes. Holds `current`. */
  readonly peppers: ReadonlyMap<number, Uint8Array>;
  /** Changes when and only when the ring does; tells nothing about the peppers. */
  readonly generation: string;
}

/** Stored as base64 under `pepper.<version>`, the number of the current one under `current`. */
export async function readPepperRing(store: SecretStore, path: string): Promise<PepperRing | null> {
  const current = await store.get(path, 'current');
  if (current === null) return null;
  const peppers = new Map<number, Uint8Array>();
  for (const version of await pepperVersions(store, path)) {
    const value = await store.get(path, `pepper.${version}`);
    if (value === null) continue;
    const bytes = Buffer.from(value.reveal(), 'base64');
    if (bytes.length !== PEPPER_BYTES) {
      throw new SecretUnreadable(`${path}#pepper.${version} is not ${PEPPER_BYTES} bytes in base64: restore it from a backup`);
    }
    peppers.set(version, bytes);
  }
  const number = Number(current.reveal());
  if (!peppers.has(number))
    throw new SecretUnreadable(`${path}#current names a pepper that is not there: restore it from a backup`);
  return { current: number, peppers, generation: generationOf(path, number, peppers) };
}

/**
 * The ring, made on first need. Never overwrites: of two replicas that start at once, one makes it and both read the same.
 * A ring with peppers but without `current` (a start or a move that was cut off) is completed with the newest that is there.
 */
export async function ensurePepperRing(
  store: SecretStore,
  path: string,
  by: string,
  random: (bytes: number) => Uint8Array = randomBytes,
): Promise<PepperRing> {
  const existing = await readPepperRing(store, path);
  if (existing !== null) return existing;
  const versions = await pepperVersions(store, path);
  if (versions.length === 0) {
    await store.setIfAbsent(path, 'pepper.1', Secret.fromText(Buffer.from(random(PEPPER_BYTES)).toString('base64')), by);
  }
  await store.setIfAbsent(path, 'current', Secret.fromText(String(Math.max(1, ...versions))), by);
  const made = await readPepperRing(store, path);
  if (made === null) throw new SecretUnreadable(`${path} was removed while it was made`);
  return made;
}

async function pepperVersions(store: SecretStore, path: string): Promise<number[]> {
  const found = (await store.list(path))
    .filter((entry) => entry.path === path)
    .map(({ field }) => /^pepper\.([1-9][0-9]{0,2})$/.exec(field)?.[1]);
  return found.filter((version) => version !== undefined).map(Number);
}

function generationOf(path: string, current: number, peppers: ReadonlyMap<number, Uint8Array>): string {
  const hash = createHash('sha256').update(`fluxgate/pepper-generation/1\0${path}\0${current}`);
  for (const [version, bytes] of [...peppers].sort(([a], [b]) => a - b)) hash.update(`\0${version}\0`).update(bytes);
  return hash.digest('hex').slice(0, 32);
}
