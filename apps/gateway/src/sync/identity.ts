import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import type { NodeToken, PublicSigningKey, Secrets } from '@fluxgate/protocol/sync';
import { generateSealingKey, openSealed, publicKeyFingerprint, SecretsContent, sealingPublicKey } from '@fluxgate/protocol/sync';
import { z } from 'zod';
import { readIfThere, replaceFile } from './files.ts';

/** The node cannot run like this: shown to the operator as it stands. */
export class CannotRun extends Error {
  readonly remedy: string;
  constructor(why: string, remedy: string) {
    super(why);
    this.remedy = remedy;
  }
}

const IdentityFile = z
  .object({
    realm: z.string(),
    /** Of the signing key that the node token named when this was written. */
    fingerprint: z.string(),
    keys: z.array(z.object({ id: z.number().int(), publicKey: z.string() }).strict()),
    formerEpochs: z.array(z.string()),
  })
  .strict();
type IdentityFile = z.infer<typeof IdentityFile>;

const FORMER_EPOCHS_KEPT = 100;

/** Makes the data directory if it is missing, and sees that it can be written. */
export function prepareDirectory(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const probe = join(dir, 'writable');
    replaceFile(probe, []);
    unlinkSync(probe);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CannotRun(
      `the data directory ${dir} cannot be written (${code ?? String(error)})`,
      'Set FLUXGATE_DATA_DIR to a directory that this user can write.',
    );
  }
}

const LOCK_ATTEMPTS = 10;
const LOCK_PAUSE_MS = 200;

/**
 * One process per directory: an abstract socket (Linux) that the kernel frees with its owner, however that ends. A sync thread that was
 * just replaced may hold it a moment longer. Errors: CannotRun.
 */
export async function lockDirectory(dir: string): Promise<Server | null> {
  if (process.platform !== 'linux') return null;
  const name = `\0fluxgate/${createHash('sha256').update(resolve(dir)).digest('hex')}`;
  for (let attempt = 1; ; attempt++) {
    const server = createServer((socket) => socket.destroy());
    const problem = await new Promise<NodeJS.ErrnoException | null>((done) => {
      server.once('error', done);
      server.listen(name, () => done(null));
    });
    if (problem === null) return server.unref();
    if (problem.code !== 'EADDRINUSE') return null; // no such sockets here: go without
    if (attempt === LOCK_ATTEMPTS) break;
    await new Promise((wake) => setTimeout(wake, LOCK_PAUSE_MS));
  }
  throw new CannotRun(
    `another gateway runs with the data directory ${dir}`,
    'Give each gateway process a directory of its own (FLUXGATE_DATA_DIR).',
  );
}

/**
 * Who this node is and whom it believes: its X25519 key (`node.key`, 0600), the pinned signing keys of the realm, epochs it has left
 * (`identity.json`), and the secrets, on disk only as they came, sealed to its key (`secrets.sealed`).
 */
export class Identity {
  readonly #dir: string;
  readonly #token: NodeToken;
  readonly #privateKey: Buffer;
  readonly #onTrouble: (why: string) => void;
  #file: IdentityFile;

  private constructor(dir: string, token: NodeToken, privateKey: Buffer, file: IdentityFile, onTrouble: (why: string) => void) {
    this.#onTrouble = onTrouble;
    this.#dir = dir;
    this.#token = token;
    this.#privateKey = privateKey;
    this.#file = file;
  }

  /** Errors: CannotRun. `onTrouble`: later, a file cannot be written; what it says is then known in memory only. */
  static open(dir: string, token: NodeToken, onTrouble: (why: string) => void = () => undefined): Identity {
    const keyPath = join(dir, 'node.key');
    let privateKey = readIfThere(keyPath);
    if (privateKey === null) {
      privateKey = generateSealingKey().privateKey;
      replaceFile(keyPath, [privateKey]);
    } else if (privateKey.length !== 32) {
      throw new CannotRun(`${keyPath} is not a node key`, 'Remove it: the node makes a new one and fetches its secrets again.');
    }
    chmodSync(keyPath, 0o600);
    const kept = readIdentity(join(dir, 'identity.json'));
    if (kept !== null && kept.realm !== token.realm) {
      throw new CannotRun(
        `the data directory ${dir} belongs to realm ${kept.realm}, the node token to ${token.realm}`,
        'Use another data directory, or the token of that realm.',
      );
    }
    const fresh: IdentityFile = { realm: token.realm, fingerprint: token.fingerprint, keys: [], formerEpochs: [] };
    // A token that names another signing key ends the trust in the one before, and with it in what it signed.
    const file =
      kept === null ? fresh : kept.fingerprint === token.fingerprint ? kept : { ...fresh, formerEpochs: kept.formerEpochs };
    return new Identity(dir, token, privateKey, file, onTrouble);
  }

  get publicKey(): Buffer {
    return sealingPublicKey(this.#privateKey);
  }

  /** Keys whose signatures count. Empty until the first welcome. */
  get pinned(): PublicSigningKey[] {
    return this.#file.keys
      .map(({ id, publicKey }) => ({ id, publicKey: Buffer.from(publicKey, 'base64') }))
      .filter(({ publicKey }) => publicKey.length === 32 && publicKeyFingerprint(publicKey) === this.#token.fingerprint);
  }

  get formerEpochs(): readonly string[] {
    return this.#file.formerEpochs;
  }

  /** Pins the key that the token names, if it is among these. False: it is not, believe nothing. */
  pin(keys: readonly { readonly id: number; readonly publicKey: string }[]): boolean {
    const named = keys.find(({ publicKey }) => {
      const raw = Buffer.from(publicKey, 'base64');
      return raw.length === 32 && publicKeyFingerprint(raw) === this.#token.fingerprint;
    });
    if (named === undefined) return false;
    const { keys: before } = this.#file;
    if (before.length !== 1 || before[0]?.id !== named.id || before[0].publicKey !== named.publicKey) {
      this.#write({ ...this.#file, keys: [{ id: named.id, publicKey: named.publicKey }] });
    }
    return true;
  }

  leaveEpochs(epochs: readonly string[]): void {
    if (epochs.length === this.#file.formerEpochs.length) return;
    this.#write({ ...this.#file, formerEpochs: epochs.slice(-FORMER_EPOCHS_KEPT) });
  }

  #write(file: IdentityFile): void {
    this.#file = file;
    this.#keep('identity.json', `${JSON.stringify(file, null, 2)}\n`);
  }

  #keep(name: string, text: string): void {
    try {
      replaceFile(join(this.#dir, name), [Buffer.from(text)]);
    } catch (error) {
      this.#onTrouble(`${name} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
    }
  }

  /** null: not sealed to this node, or not what it should be. */
  openSecrets(message: Secrets): SecretsContent | null {
    const opened = openSealed(this.#privateKey, Buffer.from(message.sealed, 'base64'));
    if (!opened.ok) return null;
    try {
      const content = SecretsContent.safeParse(JSON.parse(opened.value.toString('utf8')));
      return content.success && content.data.generation === message.generation ? content.data : null;
    } catch {
      return null;
    }
  }

  keepSecrets(message: Secrets): void {
    this.#keep('secrets.sealed', JSON.stringify({ t: 'secrets', generation: message.generation, sealed: message.sealed }));
  }

  /** What was kept, opened; null if there is nothing that can be opened. */
  keptSecrets(): SecretsContent | null {
    const bytes = readIfThere(join(this.#dir, 'secrets.sealed'));
    if (bytes === null) return null;
    try {
      const message = JSON.parse(bytes.toString('utf8')) as Secrets;
      return typeof message.sealed === 'string' ? this.openSecrets(message) : null;
    } catch {
      return null;
    }
  }
}

function readIdentity(path: string): IdentityFile | null {
  const bytes = readIfThere(path);
  if (bytes === null) return null;
  try {
    const parsed = IdentityFile.safeParse(JSON.parse(bytes.toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
