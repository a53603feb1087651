import { type ChildProcess, spawn } from 'node:child_process';

export interface Running {
  readonly pid: number;
  /** Everything it wrote to stdout and stderr so far. */
  output(): string;
  /** stdout alone. */
  stdout(): string;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after the deadline. */
  stop(deadlineMs?: number): Promise<void>;
  /** kill -9, and wait until it is gone. */
  kill(): Promise<void>;
  readonly alive: boolean;
}

const all = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of all) child.kill('SIGKILL');
});

/** Starts a real process under this Node. `input` is written to its stdin, which is then closed. */
export function startProcess(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  options: { input?: string; cwd?: string; node?: string } = {},
): Running {
  const node = options.node ?? process.execPath;
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', script, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  all.add(child);
  let both = '';
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    both += chunk.toString('utf8');
    out += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    both += chunk.toString('utf8');
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('error', (error) => {
      both += error.message;
      resolve({ code: null, signal: null });
    });
    child.on('close', (code, signal) => {
      all.delete(child);
      resolve({ code, signal });
    });
  });
  return {
    pid: child.pid ?? -1,
    output: () => both,
    stdout: () => out,
    exited,
    signal: (signal) => void child.kill(signal),
    async stop(deadlineMs = 15_000) {
      const kill = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
      child.kill('SIGTERM');
      await exited;
      clearTimeout(kill);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    get alive() {
      return child.exitCode === null && child.signalCode === null;
    },
  };
}
