/** Real Postgres and Redis for the tests: those given by environment, else the servers found on this machine, on private ports. */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const isRoot = process.getuid?.() === 0;

function onPath(name, extraDirs = []) {
  for (const dir of [...(process.env.PATH ?? '').split(delimiter), ...extraDirs]) {
    const path = join(dir, name);
    if (dir !== '' && existsSync(path)) return path;
  }
  return null;
}

function debianPostgresDirs() {
  const base = '/usr/lib/postgresql';
  return existsSync(base)
    ? readdirSync(base)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(base, version, 'bin'))
    : [];
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** Postgres refuses to run as root: then it runs as the user `postgres` (or nobody). */
function unprivileged() {
  if (!isRoot) return {};
  for (const user of ['postgres', 'nobody']) {
    const uid = Number(spawnSync('id', ['-u', user], { encoding: 'utf8' }).stdout);
    const gid = Number(spawnSync('id', ['-g', user], { encoding: 'utf8' }).stdout);
    if (Number.isInteger(uid) && uid > 0) return { uid, gid };
  }
  return {};
}

async function startPostgres() {
  const initdb = onPath('initdb', debianPostgresDirs());
  const server = onPath('postgres', debianPostgresDirs());
  if (initdb === null || server === null) return null;
  const dir = mkdtempSync(join(tmpdir(), 'fluxgate-postgres-'));
  const as = unprivileged();
  if (as.uid !== undefined) chownSync(dir, as.uid, as.gid);
  const data = join(dir, 'data');
  const made = spawnSync(initdb, ['-D', data, '-U', 'fluxgate', '--auth=trust', '--no-sync', '-E', 'UTF8'], {
    ...as,
    cwd: dir,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const port = await freePort();
  const child = spawn(
    server,
    [
      '-D',
      data,
      '-p',
      String(port),
      '-k',
      dir,
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'max_connections=200',
      '-c',
      'shared_buffers=64MB',
    ],
    { ...as, cwd: dir, stdio: 'ignore' },
  );
  const url = `postgres://fluxgate@127.0.0.1:${port}/postgres`;
  await accepting(port, 20_000);
  const stop = () => {
    child.kill('SIGINT');
    return new Promise((resolve) =>
      child.on('close', () => {
        rmSync(dir, { recursive: true, force: true });
        resolve();
      }),
    );
  };
  return { url, stop };
}

async function startRedis() {
  const server = onPath('redis-server', ['/usr/bin', '/usr/local/bin']);
  if (server === null) return null;
  const dir = mkdtempSync(join(tmpdir(), 'fluxgate-redis-'));
  const port = await freePort();
  const child = spawn(server, ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'], {
    stdio: 'ignore',
  });
  await accepting(port, 10_000);
  const stop = () => {
    child.kill('SIGTERM');
    return new Promise((resolve) =>
      child.on('close', () => {
        rmSync(dir, { recursive: true, force: true });
        resolve();
      }),
    );
  };
  return { url: `redis://127.0.0.1:${port}`, stop };
}

async function accepting(port, deadlineMs) {
  const { connect } = await import('node:net');
  const untilMs = Date.now() + deadlineMs;
  while (Date.now() < untilMs) {
    const ok = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true) ?? socket.destroy());
      socket.on('error', () => resolve(false));
    });
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port} after ${deadlineMs} ms`);
}

const kinds = [
  { name: 'postgres', variable: 'FLUXGATE_TEST_POSTGRES_URL', start: startPostgres, install: 'apt-get install postgresql' },
  { name: 'redis', variable: 'FLUXGATE_TEST_REDIS_URL', start: startRedis, install: 'apt-get install redis-server' },
];

/**
 * @returns env for the tests, one line for each thing left out, and stop().
 * @throws when FLUXGATE_TEST_REQUIRE names a server that is not there.
 */
export async function startServers(env = process.env) {
  const required = new Set((env.FLUXGATE_TEST_REQUIRE ?? '').split(',').filter(Boolean));
  const found = {};
  const leftOut = [];
  const stops = [];
  for (const kind of kinds) {
    if (env[kind.variable]) continue;
    const server = await kind.start().catch((error) => leftOut.push(`${kind.name}: ${error.message}`) && null);
    if (server !== null) {
      found[kind.variable] = server.url;
      stops.push(server.stop);
      continue;
    }
    if (required.has(kind.name))
      throw new Error(`FLUXGATE_TEST_REQUIRE names ${kind.name}, but there is neither ${kind.variable} nor a server on PATH`);
    leftOut.push(`left out: the suites on real ${kind.name} (${kind.install}, or set ${kind.variable})`);
  }
  // The suites start it themselves, in dev mode.
  if (!env.FLUXGATE_TEST_VAULT_ADDR && onPath('bao') === null && onPath('vault') === null) {
    if (required.has('vault'))
      throw new Error(
        'FLUXGATE_TEST_REQUIRE names vault, but there is neither FLUXGATE_TEST_VAULT_ADDR nor bao or vault on PATH',
      );
    leftOut.push(
      'left out: the suites on a real Vault or OpenBao (put bao or vault on PATH, or set FLUXGATE_TEST_VAULT_ADDR and _TOKEN)',
    );
  }
  return { env: found, leftOut, stop: () => Promise.all(stops.map((stop) => stop())) };
}
