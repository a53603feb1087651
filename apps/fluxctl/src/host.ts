import type { Readable, Writable } from 'node:stream';

/** Everything outside of the process that fluxctl touches, so that tests can stand in for it. */
export interface Host {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly platform: string;
  readonly nodeVersion: string;
  readonly homeDir: string;
  readonly stdin: Readable & { isTTY?: boolean };
  readonly stdout: Writable & { isTTY?: boolean; columns?: number };
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
  /** Aborted by SIGINT or SIGTERM; the reason is the exit code. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** An environment variable that is set to something. */
export const envText = (host: Pick<Host, 'env'>, name: string): string | undefined => {
  const value = host.env[name];
  return value === undefined || value === '' ? undefined : value;
};

/** `0`, `false`, `no` and nothing are off; anything else is on. */
export const envFlag = (host: Pick<Host, 'env'>, name: string): boolean => {
  const value = envText(host, name);
  return value !== undefined && !/^(0|false|no|off)$/i.test(value);
};
