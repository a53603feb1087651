/**
 * What `npm start` and `npm test` need before any TypeScript can run. Plain JavaScript for Node 20:
 * this is the only code that runs before the dependencies are there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..');
const PNPM = 'pnpm@11.28.11';
const NODE = 'node@24';
const installMark = join(root, 'node_modules', '.fluxgate-install');
const buildMark = join(root, 'apps', 'standalone', 'dist', '.fluxgate-build');

/** Node 24, brought along as an npm package. */
export const node24 = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** One sentence and the remedy, exit 1. */
export function fail(sentence, remedy) {
  process.stderr.write(`fluxgate: ${sentence}\n  ${remedy}\n`);
  process.exit(1);
}

export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(
      `this is Node ${process.versions.node}, and FluxGate needs 20.19 or newer to start.`,
      'Install Node 20.19+ (https://nodejs.org), then run the same command again.',
    );
  }
}

const say = (text) => process.stderr.write(`${text}\n`);

function step(title, command, args, env = {}) {
  const startedMs = Date.now();
  say(`• ${title}`);
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  });
  if (done.error) fail(`${title}: ${done.error.message}`, `Try it by hand: ${command} ${args.join(' ')}`);
  if (done.status !== 0)
    fail(
      `${title}: failed with exit code ${done.status ?? done.signal}.`,
      `The output above says why. Try it by hand: ${command} ${args.join(' ')}`,
    );
  say(`  done in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
}

function* filesBelow(dir, skip) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (skip.has(entry.name)) continue;
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path, skip);
    else if (entry.isFile()) yield path;
  }
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of [...paths].sort()) hash.update(path).update(readFileSync(path));
  return hash.digest('hex');
}

function manifests() {
  const rooms = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => join(root, group, name, 'package.json')),
  );
  return [join(root, 'package.json'), join(root, 'pnpm-lock.yaml'), join(root, 'pnpm-workspace.yaml'), ...rooms].filter((path) =>
    existsSync(path),
  );
}

const marked = (mark, value) => existsSync(mark) && readFileSync(mark, 'utf8') === value;

export function ensureInstalled() {
  const wanted = hashOf(manifests());
  if (marked(installMark, wanted) && existsSync(node24)) return;
  const reporter = process.stderr.isTTY ? [] : ['--reporter=append-only'];
  step(
    'installing dependencies (the first time takes about a minute)',
    'npx',
    ['-y', '-p', NODE, '-p', PNPM, 'pnpm', 'install', '--frozen-lockfile', ...reporter],
    { CI: 'true' },
  );
  if (!existsSync(node24))
    fail(
      'the Node 24 that FluxGate brings along is missing after the installation.',
      'Delete node_modules and run the same command again; its install script must be allowed to run.',
    );
  writeFileSync(installMark, wanted);
}

export function ensureBuilt() {
  const skip = new Set(['node_modules', 'dist', 'generated', '.turbo', 'test', 'bench', 'scenarios', 'fixtures']);
  const sources = ['packages', 'apps', 'prisma']
    .flatMap((dir) => [...filesBelow(join(root, dir), skip)])
    .filter((path) => !path.endsWith('.test.ts') && !path.endsWith('.md'));
  const wanted = hashOf([...sources, join(root, 'scripts', 'build-app.ts'), join(root, 'pnpm-lock.yaml')]);
  if (marked(buildMark, wanted)) return;
  // The same scripts that turbo runs for developers; here without it, since it wants a package manager on the PATH.
  step('preparing the database client', node24, [join(root, 'scripts', 'generate-prisma.ts')]);
  for (const app of ['control-plane', 'gateway', 'fluxctl', 'standalone']) {
    step(`building ${app}`, node24, [join(root, 'scripts', 'build-app.ts'), app]);
  }
  writeFileSync(buildMark, wanted);
}

/** Runs Node 24 with our stdio; signals reach the child, its exit code becomes ours. */
export function runNode24(args, env = {}) {
  const child = spawn(node24, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', (error) =>
      fail(`Node 24 could not be started: ${error.message}`, 'Delete node_modules and run the same command again.'),
    );
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

export const isFile = (path) => existsSync(path) && statSync(path).isFile();
