import { Command, CommanderError, Option } from 'commander';
import { type Failure, usage } from './failure.ts';
import { usageLine } from './help.ts';
import { GLOBAL_FLAGS } from './specs/globals.ts';
import type { CommandSpec, FlagSpec } from './specs/types.ts';
import { didYouMean } from './suggest.ts';

/** Flags by their long name, and positional arguments by theirs. */
export interface Parsed {
  readonly flags: Readonly<Record<string, string | boolean | readonly string[]>>;
  readonly args: readonly string[];
}

const option = (flag: FlagSpec): Option[] => {
  const short = flag.short ? `-${flag.short}, ` : '';
  if (flag.value === undefined) {
    // `--no-input` is a switch of its own, not the negation of `--input`: commander gives it the name `input`.
    const plain = new Option(`${short}--${flag.long}`);
    return flag.negatable ? [plain, new Option(`--no-${flag.long}`)] : [plain];
  }
  return [new Option(flag.many ? `${short}--${flag.long} <word...>` : `${short}--${flag.long} <word>`)];
};

function explain(error: CommanderError, spec: CommandSpec, longs: readonly string[]): Failure {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const here = `fluxctl ${spec.path.join(' ')}`;
  const help = `See: ${here} --help`;
  if (error.code === 'commander.unknownOption') {
    const name = quoted.replace(/=.*/, '');
    if (name === '--token')
      return usage('there is no --token flag: a secret on the command line is visible to every process', {
        code: 'unknown_flag',
        field: name,
        hint: 'Use FLUXCTL_TOKEN, FLUXCTL_TOKEN_FILE or --token-stdin',
      });
    return usage(`unknown flag ${name} for ${here}`, {
      code: 'unknown_flag',
      field: name,
      hint: didYouMean(name, longs) ?? help,
    });
  }
  if (error.code === 'commander.optionMissingArgument') {
    const name = /--[a-z-]+/.exec(quoted)?.[0] ?? quoted;
    return usage(`${name} needs a value`, { code: 'missing_value', field: name, hint: help });
  }
  if (error.code === 'commander.excessArguments')
    return usage(`too many arguments for ${here}`, { code: 'too_many_arguments', hint: `Usage: ${usageLine(spec)}` });
  return usage(error.message.replace(/^error: /, ''), { hint: help });
}

/** Reads the arguments of one command. Unknown flags and missing values are usage failures with a suggestion. */
export function parse(spec: CommandSpec, argv: readonly string[]): Parsed {
  const all = [...(spec.flags ?? []), ...GLOBAL_FLAGS];
  const command = new Command(spec.path.join(' ')).exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  command.helpOption(false).allowExcessArguments(false);
  for (const flag of all) for (const each of option(flag)) command.addOption(each);
  for (const arg of spec.args ?? []) command.argument(arg.many ? `[${arg.name}...]` : `[${arg.name}]`);
  command.action(() => {});
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError)
      throw explain(
        error,
        spec,
        all.map((flag) => `--${flag.long}`),
      );
    throw error;
  }
  const values = command.opts<Record<string, string | boolean | string[]>>();
  const flags: Record<string, string | boolean | readonly string[]> = {};
  for (const flag of all) {
    const bare = flag.long.startsWith('no-') ? flag.long.slice(3) : flag.long;
    const value = values[bare.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    // Without the flag commander leaves `--no-input` at its default, true.
    if (bare !== flag.long) {
      if (value === false) flags[flag.long] = true;
    } else if (value !== undefined)
      flags[flag.long] =
        flag.commas && Array.isArray(value) ? value.flatMap((word) => word.split(',').filter((part) => part !== '')) : value;
  }
  return { flags, args: command.args };
}
