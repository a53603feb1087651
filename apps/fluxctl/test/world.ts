import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { run } from '../src/cli.ts';
import type { Host } from '../src/host.ts';

/** fluxctl inside of this process: a home of its own, streams that are kept, a clock that stands. */
export interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}
export const NOW_MS = Date.parse('2026-09-29T09:12:00Z');
export const TOKEN = 'fga_live_7Kq2mXcT9aLb_ZyXwVuTsRqPoNmLkJiHgFeDcBa9876543210ZyXwVuT1aB2cD';

export interface World {
  readonly home: string;
  fluxctl(argv: readonly string[], more?: { stdin?: string; env?: Record<string, string>; cwd?: string }): Promise<Ran>;
  close(): Promise<void>;
}

const collected = (stream: PassThrough): (() => string) => {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
};

export async function openWorld(base: Record<string, string> = {}): Promise<World> {
  const home = await mkdtemp(join(tmpdir(), 'fluxctl-test-'));
  return {
    home,
    fluxctl: async (argv, more = {}) => {
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const [out, err] = [collected(stdout), collected(stderr)];
      stdin.end(more.stdin ?? '');
      let nowMs = NOW_MS;
      const host: Host = {
        argv,
        env: { LANG: 'C.UTF-8', ...base, ...more.env },
        cwd: more.cwd ?? home,
        platform: 'linux',
        nodeVersion: '20.19.0',
        homeDir: home,
        stdin,
        stdout,
        stderr,
        signal: new AbortController().signal,
        nowMs: () => nowMs,
        randomBytes: (count) => Buffer.from(crypto.getRandomValues(new Uint8Array(count))),
        sleep: (ms) => {
          nowMs += ms;
          return Promise.resolve();
        },
      };
      const exit = await run(host);
      return { exit, stdout: out(), stderr: err() };
    },
    close: () => rm(home, { recursive: true, force: true }),
  };
}
