import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join, resolve, sep } from 'node:path';

/** The built fluxctl under the Node of the system, which lags behind the one the servers bring along. */
const here = import.meta.dirname;
const root = resolve(here, '..', '..', '..');
export const LAUNCHER = join(here, '..', 'bin', 'fluxctl.js');

export function systemNode(): string {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const places = (process.env['PATH'] ?? '').split(delimiter).filter((place) => !place.includes(`${sep}node_modules${sep}`));
  const found = places.map((place) => join(place, name)).find((path) => existsSync(path));
  return process.env['FLUXCTL_TEST_NODE'] ?? found ?? process.execPath;
}

const newest = (dir: string): number =>
  Math.max(
    0,
    ...readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );

/** Builds when the sources are newer than the bundle. */
export function build(): void {
  const dist = join(here, '..', 'dist');
  const sources = Math.max(
    newest(join(here, '..', 'src')),
    newest(join(root, 'packages', 'protocol', 'src')),
    newest(join(root, 'packages', 'policy', 'src')),
  );
  if (existsSync(join(dist, 'main.js')) && statSync(join(dist, 'main.js')).mtimeMs > sources) return;
  const built = spawnSync(process.execPath, [join(root, 'scripts', 'build-app.ts'), 'fluxctl'], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`fluxctl does not build: ${built.stderr}`);
}

export interface Finished {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}
export interface Started {
  readonly child: ReturnType<typeof spawn>;
  readonly finished: Promise<Finished>;
}

export function start(
  argv: readonly string[],
  env: Record<string, string>,
  more: { stdin?: string | 'ignore'; nodeFlags?: readonly string[]; cwd?: string } = {},
): Started {
  const child = spawn(systemNode(), [...(more.nodeFlags ?? []), LAUNCHER, ...argv], {
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', ...env },
    stdio: [more.stdin === 'ignore' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(more.cwd === undefined ? {} : { cwd: more.cwd }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  child.stdin?.on('error', () => {});
  if (more.stdin !== 'ignore') child.stdin?.end(more.stdin ?? '');
  const finished = new Promise<Finished>((done, failed) => {
    child.on('error', failed);
    child.on('close', (exit, signal) => done({ exit, signal, stdout, stderr }));
  });
  return { child, finished };
}
export const fluxctl = (
  argv: readonly string[],
  env: Record<string, string>,
  more: Parameters<typeof start>[2] = {},
): Promise<Finished> => start(argv, env, more).finished;
