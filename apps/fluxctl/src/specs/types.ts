/** What a command looks like from outside. Plain data, so that help, completion and parsing start without run code. */

export interface FlagSpec {
  /** Without the dashes. */
  readonly long: string;
  readonly short?: string;
  /** Placeholder of the value; none: a switch. */
  readonly value?: string;
  /** Takes one or more words, and may be repeated. */
  readonly many?: boolean;
  /** Splits each word at commas (`--scope a,b`). */
  readonly commas?: boolean;
  /** `--no-X` exists beside `--X`. */
  readonly negatable?: boolean;
  readonly choices?: readonly string[];
  readonly required?: boolean;
  readonly help: string;
}

export interface ArgSpec {
  readonly name: string;
  readonly many?: boolean;
  readonly required?: boolean;
}

export interface CommandSpec {
  /** `['keys', 'rotations', 'finish']` */
  readonly path: readonly string[];
  readonly args?: readonly ArgSpec[];
  readonly summary: string;
  /** A few sentences under the usage line. */
  readonly about?: string;
  readonly flags?: readonly FlagSpec[];
  /** [what for, the command line] */
  readonly examples: readonly (readonly [string, string])[];
  readonly aliases?: readonly (readonly string[])[];
}

export const flag = (long: string, value: string | null, help: string, more: Partial<FlagSpec> = {}): FlagSpec => ({
  long,
  help,
  ...(value === null ? {} : { value }),
  ...more,
});
export const words = (long: string, value: string, help: string, more: Partial<FlagSpec> = {}): FlagSpec =>
  flag(long, value, help, { many: true, commas: true, ...more });
