import type { Admin } from './client.ts';
import type { Host } from './host.ts';
import type { Store } from './local/store.ts';
import type { Line, Shown } from './outcome.ts';
import type { Prompt } from './prompt.ts';
import type { Reader } from './reader.ts';
import type { Settings } from './settings.ts';
import type { Sinks } from './sink.ts';
import type { Target } from './target.ts';

/** How a command waits for the nodes. */
export interface Waiting {
  readonly on: boolean;
  /** `--wait` or `--no-wait` was typed. */
  readonly explicit: boolean;
  readonly timeoutMs: number;
}

/** All that a command may ask for; each declares the part it needs. */
export interface Needs {
  readonly admin: Admin;
  /** Where requests go and with which credential; resolved on first use. */
  readonly target: () => Promise<Target>;
  readonly store: Store;
  readonly prompt: Prompt;
  readonly sinks: Sinks;
  readonly settings: Settings;
  readonly waiting: Waiting;
  readonly files: Files;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Hides a secret in CI logs; to be called before the secret goes anywhere. */
  readonly mask: (secret: string) => Promise<void>;
  /** Progress, said at once on stderr; not in machine formats. */
  readonly say: (line: Line) => void;
  readonly host: Host;
}

export interface Files {
  /** Text of a file. A missing file is a usage failure that names it. */
  readText(path: string): Promise<string>;
  /** The same, byte by byte. */
  readBytes(path: string): Promise<Uint8Array>;
  readStdin(): Promise<string>;
  /** Configuration files behind `-f`: a file, a directory (recursive, *.yaml and *.yml, sorted) or `-`. */
  configFiles(paths: readonly string[]): Promise<{ name: string; text: string }[]>;
}

export interface ShowContext {
  readonly nowMs: number;
  readonly settings: Settings;
  readonly waiting: Waiting;
}

/** One verb: options from flags, a run that returns data and prints nothing, and how the data is shown. */
export interface Command<O, D, N> {
  readonly options: (read: Reader) => O;
  readonly run: (options: O, needs: N) => Promise<D>;
  readonly show: (data: D, options: O, context: ShowContext) => Shown;
}
export const command = <O, D, N extends Partial<Needs> = Record<never, never>>(parts: Command<O, D, N>): Command<O, D, N> =>
  parts;

/** A command as the dispatcher sees it: it only hands values through. */
export interface AnyCommand {
  options(read: Reader): unknown;
  run(options: unknown, needs: Needs): Promise<unknown>;
  show(data: unknown, options: unknown, context: ShowContext): Shown;
}
