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

/** A ring cannot be made because keys exist that were made with one that is gone. */
export class PepperRingLost extends SecretUnreadable {}

/** Stored as base64 under `pepper.<version>`, the number of the current one under `current`. */
export async function readPepperRing(store: SecretStore, path: string): Promise<PepperRing | null> {
  const fields = await store.document(path);
  const current = fields.get('current');
  if (current === undefined) return null;
  const peppers = new Map<number, Uint8Array>();
  for (const version of pepperVersions(fields.keys())) {
    const bytes = Buffer.from(fields.get(`pepper.${version}`)?.reveal() ?? '', 'base64');
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

export interface RingMaking {
  readonly by: string;
  readonly random?: (bytes: number) => Uint8Array;
  /** Do keys exist that were made with a ring? Then its absence is a loss, and a new one would refuse them all. */
  readonly isNeeded?: () => Promise<boolean>;
}

/**
 * The ring, made on first need. Never overwrites: of two replicas that start at once, one makes it and both read the same.
 * A ring with peppers but without `current` (a start or a move that was cut off) is completed with the newest that is there.
 */
export async function ensurePepperRing(store: SecretStore, path: string, making: RingMaking): Promise<PepperRing> {
  const existing = await readPepperRing(store, path);
  if (existing !== null) return existing;
  const { by, random = randomBytes, isNeeded } = making;
  const versions = pepperVersions((await store.document(path)).keys());
  if (versions.length === 0) {
    if (isNeeded !== undefined && (await isNeeded()))
      throw new PepperRingLost(
        `the pepper ring at ${path} is gone, and keys exist that were made with it: restore it from a backup`,
      );
    await store.setIfAbsent(path, 'pepper.1', newPepper(random), by);
  }
  await store.setIfAbsent(path, 'current', Secret.fromText(String(Math.max(1, ...versions))), by);
  const made = await readPepperRing(store, path);
  if (made === null) throw new SecretUnreadable(`${path} was removed while it was made`);
  return made;
}

const newPepper = (random: (bytes: number) => Uint8Array): Secret =>
  Secret.fromText(Buffer.from(random(PEPPER_BYTES)).toString('base64'));

/** The version that is waiting to become the current one, or null. */
export function pendingPepper({ current, peppers }: PepperRing): number | null {
  const newest = Math.max(...peppers.keys());
  return newest > current ? newest : null;
}

/** First step of a rotation: the next version lies in the ring, and nothing uses it. A rotation that was begun is gone on with. */
export async function beginPepperRotation(
  store: SecretStore,
  path: string,
  { by, random = randomBytes }: RingMaking,
): Promise<PepperRing> {
  const ring = await readPepperRing(store, path);
  if (ring === null) throw new SecretUnreadable(`${path} holds no pepper ring`);
  if (pendingPepper(ring) !== null) return ring;
  if (ring.current >= PEPPER_VERSION_MAX) throw new SecretUnreadable(`${path} has used up its ${PEPPER_VERSION_MAX} versions`);
  // Absent or not: if another replica was faster, its pepper is the one.
  await store.setIfAbsent(path, `pepper.${ring.current + 1}`, newPepper(random), by);
  return (await readPepperRing(store, path)) ?? ring;
}

/** Second step, once every node holds `version`: new keys are made with it. */
export async function finishPepperRotation(store: SecretStore, path: string, version: number, by: string): Promise<PepperRing> {
  const ring = await readPepperRing(store, path);
  if (ring === null || !ring.peppers.has(version)) throw new SecretUnreadable(`${path} holds no pepper ${version}`);
  if (ring.current >= version) return ring;
  await store.set(path, 'current', Secret.fromText(String(version)), by);
  return (await readPepperRing(store, path)) ?? ring;
}

/** A key's record has one byte for it. */
const PEPPER_VERSION_MAX = 255;

function pepperVersions(fields: Iterable<string>): number[] {
  return [...fields].flatMap((field) => {
    const version = /^pepper\.([1-9][0-9]{0,2})$/.exec(field)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
}

function generationOf(path: string, current: number, peppers: ReadonlyMap<number, Uint8Array>): string {
  const hash = createHash('sha256').update(`fluxgate/pepper-generation/1\0${path}\0${current}`);
  for (const [version, bytes] of [...peppers].sort(([a], [b]) => a - b)) hash.update(`\0${version}\0`).update(bytes);
  return hash.digest('hex').slice(0, 32);
}
