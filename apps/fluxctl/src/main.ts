import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { run } from './cli.ts';
import { EXIT } from './exit.ts';
import type { Host } from './host.ts';

/** The real outside, and the end of the process. */
const stop = new AbortController();
for (const [signal, code] of [
  ['SIGINT', EXIT.interrupted],
  ['SIGTERM', EXIT.terminated],
] as const)
  process.on(signal, () => {
    // A second signal does not wait for anything.
    if (stop.signal.aborted) process.exit(code);
    stop.abort(code);
  });

/** A reader that went away (`| head`) is no fault; writes learn it from their own callback. */
const quiet = <S extends NodeJS.WriteStream>(stream: S): S => {
  if (stream.listenerCount('error') === 0)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  return stream;
};
let readsStdin = false;

const host: Host = {
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  platform: process.platform,
  nodeVersion: process.versions.node,
  homeDir: homedir(),
  // Node opens its standard streams on first touch; a command that needs no stdin does not pay for it.
  get stdin() {
    readsStdin = true;
    return process.stdin;
  },
  get stdout() {
    return quiet(process.stdout);
  },
  get stderr() {
    return quiet(process.stderr);
  },
  signal: stop.signal,
  nowMs: () => Date.now(),
  randomBytes: (count) => randomBytes(count),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', ended);
        resolve();
      }, ms);
      const ended = (): void => {
        clearTimeout(timer);
        reject(new Error('stopped'));
      };
      if (signal.aborted) ended();
      else signal.addEventListener('abort', ended, { once: true });
    }),
};

process.exitCode = await run(host);
// An open stdin (a terminal, a pipe nobody closes) must not keep a finished command alive.
if (readsStdin) process.stdin.destroy();
