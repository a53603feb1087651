import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';

export interface ChildSpec {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** stdout and stderr go here, append-only. */
  readonly logFile: string;
  /** Preloaded module that ends the child with its parent. */
  readonly followParent: string;
}

export interface Child {
  readonly name: string;
  /** Resolves when the process is gone; never rejects. */
  stop(deadlineMs: number): Promise<void>;
  /** The last lines it wrote, for a sentence about why it would not start. */
  tail(): string;
  readonly running: boolean;
}

const TAIL_BYTES = 4096;
const RESTARTS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;

/**
 * Starts a child and restarts it when it dies by itself: after 0.2 s, doubling, at most five times a minute.
 * `onGivenUp` is called when it cannot be kept alive; before the first `ready()` it is not restarted at all.
 */
export function supervise(
  spec: ChildSpec,
  on: { started: (pid: number) => void; exited: (sentence: string) => void; givenUp: (tail: string) => void },
  now: () => number,
): Child & { ready(): void } {
  const log: WriteStream = createWriteStream(spec.logFile, { flags: 'a', mode: 0o600 });
  let child: ChildProcess | null = null;
  let stopping = false;
  let wasReady = false;
  let tail = '';
  const deathsMs: number[] = [];
  let gone: () => void = () => {};

  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString('utf8')).slice(-TAIL_BYTES);
    log.write(chunk);
  };

  const launch = (): void => {
    tail = '';
    const started = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--import', spec.followParent, spec.script, ...spec.args],
      { env: spec.env, stdio: ['pipe', 'pipe', 'pipe'] },
    );
    child = started;
    if (started.pid !== undefined) on.started(started.pid);
    started.stdout.on('data', keep);
    started.stderr.on('data', keep);
    started.stdin.on('error', () => {});
    started.on('error', (error) => keep(Buffer.from(`${error.message}\n`)));
    started.on('close', (code, signal) => {
      child = null;
      gone();
      if (stopping) return;
      const atMs = now();
      deathsMs.push(atMs);
      const recent = deathsMs.filter((ms) => atMs - ms < RESTART_WINDOW_MS).length;
      if (!wasReady || recent > RESTARTS_MAX) return on.givenUp(tail);
      on.exited(`${spec.name} ended (${signal ?? `exit code ${code}`}) and is started again; its log: ${spec.logFile}`);
      setTimeout(() => !stopping && launch(), 200 * 2 ** (recent - 1));
    });
  };
  launch();

  return {
    name: spec.name,
    get running() {
      return child !== null;
    },
    ready() {
      wasReady = true;
    },
    tail: () => tail.trim(),
    async stop(deadlineMs) {
      stopping = true;
      const running = child;
      if (running === null) return;
      await new Promise<void>((resolve) => {
        const kill = setTimeout(() => running.kill('SIGKILL'), deadlineMs);
        gone = () => {
          clearTimeout(kill);
          resolve();
        };
        running.kill('SIGTERM');
      });
      log.end();
    },
  };
}
