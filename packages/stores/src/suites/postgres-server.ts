import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A Postgres server of our own on a private port, with fsync on: the suites kill it. */
export interface PostgresServer {
  readonly url: string;
  /** As a crash: kill -9 of the whole server. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Directory with `initdb` and `postgres`, from PATH or where Debian keeps them; null if there is none. */
export function findPostgresBinaries(env: NodeJS.ProcessEnv): string | null {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const places = [...(env['PATH'] ?? '').split(delimiter), ...versions.map((version) => join(debian, version, 'bin'))];
  return places.find((place) => place !== '' && existsSync(join(place, 'initdb')) && existsSync(join(place, 'postgres'))) ?? null;
}

/** Postgres refuses to run as root: then it runs as the user `postgres` of the system. */
function unprivileged(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }).trim());
  return { uid: id('-u'), gid: id('-g') };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export async function createPostgresServer(binaries: string): Promise<PostgresServer> {
  const user = unprivileged();
  const home = mkdtempSync(join(tmpdir(), 'fluxgate-pg-'));
  if (user !== null) chownSync(home, user.uid, user.gid);
  const data = join(home, 'data');
  const identity = user ?? {};
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'fluxgate', '--auth=trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    {
      ...identity,
      cwd: home,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const port = await freePort();
  let child: ChildProcess | null = null;
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${home}`, '-c', 'logging_collector=off'];

  const ended = (running: ChildProcess) =>
    new Promise<void>((resolve) => {
      if (running.exitCode !== null || running.signalCode !== null) resolve();
      else running.once('exit', () => resolve());
    });
  const signal = async (name: 'SIGKILL' | 'SIGINT') => {
    const running = child;
    if (running?.pid === undefined) return;
    child = null;
    // Backends notice the death of the postmaster by themselves; it waits for them at the next start.
    running.kill(name);
    await ended(running);
  };
  const server: PostgresServer = {
    url: `postgres://fluxgate@127.0.0.1:${port}/postgres`,
    async start() {
      for (let attempt = 0; attempt < 20; attempt++) {
        const running = spawn(join(binaries, 'postgres'), ['-D', data, '-p', String(port), ...settings], {
          ...identity,
          cwd: home,
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        child = running;
        const ready = await new Promise<boolean>((resolve) => {
          running.stderr?.on('data', (chunk: Buffer) => {
            if (chunk.includes('ready to accept connections')) resolve(true);
          });
          running.once('exit', () => resolve(false));
        });
        if (ready) return;
        // After kill -9 old backends may hold the shared memory for a moment.
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      throw new Error('postgres does not start');
    },
    kill: () => signal('SIGKILL'),
    async stop() {
      await signal('SIGINT');
      rmSync(home, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}
