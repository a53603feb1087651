import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, fchmodSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { Secret } from './secret.ts';

/** The key-encryption key cannot be used; the message says what to do. */
export class KekRefused extends Error {
  override readonly name = 'KekRefused';
}

/** What was sealed does not open: another KEK, or bytes that were changed or moved. */
export class SecretUnreadable extends Error {
  override readonly name = 'SecretUnreadable';
}

/**
 * The key-encryption key of a deployment, the same on all replicas. It leaves this object only as derived keys.
 * Sealed form: `1 | nonce 12 | ciphertext | tag 16`, AES-256-GCM.
 */
export interface Kek {
  /** `place` is authenticated, not stored: what was sealed for one place does not open at another. */
  seal(plain: Uint8Array, place: readonly string[]): Uint8Array;
  /** Throws `SecretUnreadable`. */
  open(sealed: Uint8Array, place: readonly string[]): Uint8Array;
  /** 32 bytes by HKDF-SHA-256 (RFC 5869) for one purpose, e.g. `fluxgate/node-disk/1`. */
  derive(purpose: string, salt?: string): Uint8Array;
}

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** Length-prefixed, so that no two lists of parts give the same bytes. */
function placeBytes(place: readonly string[]): Buffer {
  return Buffer.concat(
    place.flatMap((part) => {
      const bytes = Buffer.from(part, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

export function createKek(key: Secret, random: (bytes: number) => Uint8Array = randomBytes): Kek {
  if (key.byteLength !== KEY_BYTES)
    throw new KekRefused(`a key-encryption key has ${KEY_BYTES} bytes, this one has ${key.byteLength}`);
  const derive = (purpose: string, salt = '') => new Uint8Array(hkdfSync('sha256', key.revealBytes(), salt, purpose, KEY_BYTES));
  // The file's key seals nothing itself: purposes stay apart.
  const sealingKey = derive('fluxgate/kek/seal/1');
  return {
    derive,
    seal(plain, place) {
      const nonce = random(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce).setAAD(placeBytes(place));
      return Buffer.concat([Buffer.of(VERSION), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, place) {
      const where = place.join('/');
      if (sealed.length < 1 + NONCE_BYTES + TAG_BYTES || sealed[0] !== VERSION)
        throw new SecretUnreadable(`${where}: not a sealed value`);
      const decipher = createDecipheriv('aes-256-gcm', sealingKey, sealed.subarray(1, 1 + NONCE_BYTES)).setAAD(placeBytes(place));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      } catch {
        throw new SecretUnreadable(
          `${where} does not open under this key-encryption key: is FLUXGATE_KEK_FILE the file it was written with?`,
        );
      }
    },
  };
}

/** 32 bytes as base64, base64url or hex, with or without a final line break. */
function parseKey(text: string): Buffer | null {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return null;
  const key = Buffer.from(trimmed, 'base64');
  return key.length === KEY_BYTES ? key : null;
}

/** Reads the key file. Throws `KekRefused` with a remedy: missing, readable by others, not 32 bytes. */
export function loadKek(file: string): Kek {
  let text: string;
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') {
      throw new KekRefused(
        `FLUXGATE_KEK_FILE ${file} does not exist: make it once with \`(umask 077; openssl rand -base64 32 > ${file})\`, keep a copy apart from the database, and give every replica the same file`,
      );
    }
    throw new KekRefused(`FLUXGATE_KEK_FILE ${file} cannot be read (${code}): let the user of the control plane own it`);
  }
  try {
    // By descriptor, so that what was checked is what is read.
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new KekRefused(`FLUXGATE_KEK_FILE ${file} is not a file`);
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw new KekRefused(
        `FLUXGATE_KEK_FILE ${file} is open to others (mode ${(stat.mode & 0o777).toString(8)}): \`chmod 600 ${file}\``,
      );
    }
    text = readFileSync(fd, 'latin1');
  } finally {
    closeSync(fd);
  }
  return kekOf(text, `FLUXGATE_KEK_FILE ${file}`);
}

/** The key from its text. `source` names the setting and the place. Throws `KekRefused`. */
export function kekOf(text: string, source: string): Kek {
  const key = parseKey(text);
  if (key === null)
    throw new KekRefused(`${source} does not hold 32 bytes in base64 or hex: \`openssl rand -base64 32\` makes them`);
  return createKek(Secret.fromBytes(key));
}

/** Makes the key file (0600) unless it exists; for `standalone` and first starts. True: it was made now. */
export function createKekFile(file: string, random: (bytes: number) => Uint8Array = randomBytes): boolean {
  if (existsSync(file)) return false;
  let fd: number;
  try {
    fd = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    fchmodSync(fd, 0o600);
    writeSync(fd, `${Buffer.from(random(KEY_BYTES)).toString('base64')}\n`);
    fsyncSync(fd); // losing it later loses every secret
  } finally {
    closeSync(fd);
  }
  return true;
}
