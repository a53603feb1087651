import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EXIT } from './exit.ts';
import { Failure, usage } from './failure.ts';
import type { Host } from './host.ts';
import { codeOf } from './local/lock.ts';

/** Where a secret goes instead of stdout. */
export type Sink =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'exec'; readonly command: string }
  | { readonly kind: 'vault'; readonly ref: string };

export interface Sinks {
  /** Proves that the place can take a secret, before one is made. */
  prepare(sink: Sink, force: boolean): Promise<Prepared>;
}
export interface Prepared {
  /** What to tell, e.g. `file:batch.key (0600)`. */
  readonly told: string;
  deliver(secret: string, name: string): Promise<void>;
  /** Undoes the preparation when there is nothing to deliver. */
  abandon(): Promise<void>;
}

export function readSink(text: string): Sink | { readonly wrong: string } {
  const at = text.indexOf(':');
  const rest = text.slice(at + 1);
  if (at > 0 && rest !== '') {
    const kind = text.slice(0, at);
    if (kind === 'file') return { kind, path: rest };
    if (kind === 'exec') return { kind, command: rest };
    if (kind === 'vault')
      return /^[^#\s]+#[^#\s]+$/.test(rest)
        ? { kind, ref: text }
        : { wrong: 'vault: needs a path and a field, vault:secret/data/app#key' };
  }
  return { wrong: 'write file:PATH, exec:COMMAND or vault:PATH#FIELD' };
}

const undelivered = (what: string, why: string): Failure =>
  new Failure({ code: 'secret_not_delivered', exit: EXIT.failed, message: what, why });

async function prepareFile(given: string, path: string, force: boolean): Promise<Prepared> {
  const there = await lstat(path).catch(() => null);
  if (there !== null && !force)
    throw new Failure({
      code: 'file_exists',
      exit: EXIT.usage,
      message: `${given} exists; nothing was made`,
      hint: 'Give another path, or add --force to replace it',
      field: '--secret-to',
    });
  if (there?.isDirectory()) throw usage(`${given} is a directory`, { field: '--secret-to' });
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'wx', 0o600).catch((error: unknown) => {
    throw usage(
      `cannot write ${given}: ${codeOf(error) === 'ENOENT' ? 'its directory does not exist' : String(codeOf(error))}; nothing was made`,
      { field: '--secret-to' },
    );
  });
  return {
    told: `file:${given} (0600)`,
    deliver: async (secret) => {
      try {
        await file.writeFile(secret);
        await file.sync();
        await file.close();
        if (force) await rename(temporary, path);
        else {
          // link() fails if somebody made the file meanwhile; rename() would replace it.
          await link(temporary, path);
          await unlink(temporary);
        }
      } catch (error) {
        await unlink(temporary).catch(() => {});
        throw undelivered(`the secret could not be written to ${given}`, String(codeOf(error)));
      }
    },
    abandon: async () => {
      await file.close().catch(() => {});
      await unlink(temporary).catch(() => {});
    },
  };
}

/** Runs a command with the secret on its stdin, and only there. What it prints goes to stderr. */
function pipeInto(command: string, secret: string, name: string, host: Host): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn(command, {
      shell: true,
      cwd: host.cwd,
      env: { ...host.env, FLUXCTL_KEY_NAME: name } as NodeJS.ProcessEnv,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const show = (chunk: Buffer): void => {
      host.stderr.write(chunk.toString('utf8').replaceAll(secret, '[secret]'));
    };
    child.stdout.on('data', show);
    child.stderr.on('data', show);
    child.stdin.on('error', () => {});
    child.on('error', (error) => failed(undelivered('the command for the secret could not be started', error.message)));
    child.on('close', (code, signal) =>
      code === 0
        ? done()
        : failed(
            undelivered(`the command for the secret failed (${signal ?? `exit ${code}`})`, 'it may not have taken the secret'),
          ),
    );
    child.stdin.end(secret);
  });
}

export function sinksOf(host: Host): Sinks {
  return {
    prepare: async (sink, force) => {
      if (sink.kind === 'file') return prepareFile(sink.path, resolve(host.cwd, sink.path), force);
      if (sink.kind === 'exec')
        return {
          told: 'exec, exit 0',
          deliver: (secret, name) => pipeInto(sink.command, secret, name, host),
          abandon: () => Promise.resolve(),
        };
      throw usage('vault: is for keys rotate: only there the server delivers', {
        field: '--secret-to',
        hint: 'Use file:PATH or exec:COMMAND',
      });
    },
  };
}
