import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..', '..');
const main = join(root, 'apps', 'control-plane', 'dist', 'main.js');
const running: ChildProcess[] = [];
let dir = '';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: string[], env: Record<string, string>): { child: ChildProcess; ended: Promise<Ended>; said: () => string } {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
  return { child, ended, said: () => stderr };
}

const env = (): Record<string, string> => ({
  DATABASE_URL: `pglite:${join(dir, 'db')}`,
  FLUXGATE_KEK_FILE: join(dir, 'kek'),
  FLUXGATE_ADMIN_PORT: '0',
  FLUXGATE_BOOTSTRAP_DIR: join(dir, 'boot'),
});

async function serve(): Promise<{ child: ChildProcess; ended: Promise<Ended>; url: string; said: () => string }> {
  const process = start(['serve'], env());
  for (let tries = 0; tries < 300; tries += 1) {
    const port = /"port":(\d+)/.exec(process.said())?.[1];
    if (port !== undefined) return { ...process, url: `http://127.0.0.1:${port}` };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`did not start: ${process.said()}`);
}

beforeAll(async () => {
  if (!existsSync(main)) {
    const build = spawn(process.execPath, [join(root, 'scripts', 'build-app.ts'), 'control-plane'], {
      cwd: root,
      stdio: 'ignore',
    });
    await new Promise((resolve) => build.once('close', resolve));
  }
  dir = mkdtempSync(join(tmpdir(), 'fluxgate-cp-process-'));
  writeFileSync(join(dir, 'kek'), randomBytes(32).toString('base64'), { mode: 0o600 });
}, 60_000);
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('everything wrong with the settings is told at once, with exit code 2', async () => {
  const { code, stdout, stderr } = await start(['serve'], { FLUXGATE_ADMIN_PORT: 'x', FLUXGATE_ADMIN_HOST: '0.0.0.0' }).ended;
  expect([code, stdout]).toEqual([2, '']);
  for (const name of ['DATABASE_URL', 'FLUXGATE_KEK_FILE', 'FLUXGATE_ADMIN_PORT', 'FLUXGATE_ADMIN_HOST'])
    expect(stderr).toContain(`${name}: `);
});

test('serve makes the first tokens once, ends cleanly on SIGTERM, and finds its data again', async () => {
  const first = await serve();
  const token = readFileSync(join(dir, 'boot', 'admin.token'), 'utf8').trim();
  expect(readFileSync(join(dir, 'boot', 'node.token'), 'utf8')).toMatch(/^fgn_live_/);
  for (const name of readdirSync(join(dir, 'boot'))) expect(statSync(join(dir, 'boot', name)).mode & 0o777).toBe(0o600);
  const call = (url: string, path: string, body?: object) =>
    fetch(`${url}${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
  const made = (await (await call(first.url, '/v1/keys?wait=converged&timeout=1s', { name: 'k' })).json()) as { secret: string };
  expect(made.secret).toMatch(/^fgk_live_/);

  // The embedded database belongs to the running server: one clear sentence, no damage.
  const held = await start(['admin', 'create', '--name', 'second'], env()).ended;
  expect([held.code, held.stdout]).toEqual([1, '']);
  expect(held.stderr.trim().split('\n')).toHaveLength(1);
  expect(held.stderr).toContain('is open in process');

  first.child.kill('SIGTERM');
  expect((await first.ended).code).toBe(0);

  const made2 = await start(['admin', 'create', '--name', 'second', '--role', 'viewer'], env()).ended;
  expect([made2.code, /^fga_live_\S+\n$/.test(made2.stdout)]).toEqual([0, true]);
  expect(made2.stderr).not.toContain(made2.stdout.trim());

  const second = await serve();
  expect(readFileSync(join(dir, 'boot', 'admin.token'), 'utf8').trim()).toBe(token);
  expect(((await (await call(second.url, '/v1/keys/k')).json()) as { name: string }).name).toBe('k');
  const viewer = await fetch(`${second.url}/v1/whoami`, { headers: { authorization: `Bearer ${made2.stdout.trim()}` } });
  expect(await viewer.json()).toMatchObject({ actor: 'second', role: 'viewer', realm: 'live' });

  // Nothing that would let anybody in lies in the database or in the log.
  const secrets = [made.secret, token, made2.stdout.trim()].map((text) => text.slice(-49, -6));
  expect(secrets.filter((secret) => second.said().includes(secret) || first.said().includes(secret))).toEqual([]);
  second.child.kill('SIGTERM');
  await second.ended;
  const files = readdirSync(join(dir, 'db'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  expect(secrets.filter((secret) => bytes.some((content) => content.includes(secret)))).toEqual([]);
}, 90_000);

test('a key-encryption key that is missing, readable by others or another one is one clear sentence', async () => {
  const missing = await start(['migrate'], { ...env(), FLUXGATE_KEK_FILE: join(dir, 'nowhere') }).ended;
  expect([missing.code, missing.stderr.includes('does not exist')]).toEqual([1, true]);
  writeFileSync(join(dir, 'open-kek'), randomBytes(32).toString('base64'), { mode: 0o644 });
  const open = await start(['migrate'], { ...env(), FLUXGATE_KEK_FILE: join(dir, 'open-kek') }).ended;
  expect([open.code, open.stderr.includes('chmod 600')]).toEqual([1, true]);
  writeFileSync(join(dir, 'other-kek'), randomBytes(32).toString('base64'), { mode: 0o600 });
  const other = await start(['serve'], { ...env(), FLUXGATE_KEK_FILE: join(dir, 'other-kek') }).ended;
  expect([other.code, other.stderr.includes('FLUXGATE_KEK_FILE')]).toEqual([1, true]);
}, 60_000);

test('a port that is taken is one clear sentence', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port } = holder.address() as { port: number };
  const { code, stderr } = await start(['serve'], { ...env(), FLUXGATE_ADMIN_PORT: String(port) }).ended;
  holder.close();
  expect([code, stderr.includes(`127.0.0.1:${port} is taken`)]).toEqual([1, true]);
}, 60_000);

test('admin create says everything that is wrong with its arguments', async () => {
  const { code, stderr } = await start(['admin', 'create', '--role', 'root', '--realm', 'X', '--what'], env()).ended;
  expect(code).toBe(2);
  for (const text of ['--what', '--name is missing', '--role', '--realm']) expect(stderr).toContain(text);
});
