import { type Failure, usage } from './failure.ts';
import type { Parsed } from './parse.ts';
import type { Prompt } from './prompt.ts';
import type { ArgSpec, CommandSpec, FlagSpec } from './specs/types.ts';

const quoted = (word: string): string => (/^[A-Za-z0-9_./:=@%+,#-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function failure(spec: CommandSpec, argv: readonly string[], args: readonly ArgSpec[], flags: readonly FlagSpec[]): Failure {
  const names = [...args.map((arg) => arg.name), ...flags.map((flag) => `--${flag.long}`)];
  const typed = argv.map(quoted);
  // Arguments go first: after a flag that takes several words they would be read as its words.
  const line = [
    'fluxctl',
    ...spec.path,
    ...args.map((arg) => arg.name),
    ...typed,
    ...flags.map((flag) => `--${flag.long} ${flag.value}`),
  ].join(' ');
  const swallowed =
    args.length > 0 &&
    (spec.flags ?? []).some((flag) => flag.many && argv.some((word) => word === `--${flag.long}` || word === `-${flag.short}`));
  return usage(`missing: ${names.join(', ')}`, {
    code: 'missing_input',
    field: names[0] ?? null,
    why: swallowed ? 'a flag that takes several words took all that followed it: write arguments before it' : null,
    hint: line,
    items: names.map((field) => ({ field, message: 'is missing' })),
  });
}

/** Asks for what is missing where somebody can answer; otherwise tells all of it, with the completed command line. */
export async function completed(spec: CommandSpec, argv: readonly string[], parsed: Parsed, prompt: Prompt): Promise<Parsed> {
  const args = (spec.args ?? []).filter((arg, i) => arg.required && (parsed.args[i] ?? '') === '');
  const flags = (spec.flags ?? []).filter(
    (flag) => flag.required && (parsed.flags[flag.long] === undefined || parsed.flags[flag.long] === ''),
  );
  if (args.length + flags.length === 0) return parsed;
  if (!prompt.interactive) throw failure(spec, argv, args, flags);
  const given: string[] = [...parsed.args];
  for (const arg of args) given.push(await prompt.text(arg.name));
  const answers: Record<string, string | readonly string[]> = {};
  for (const flag of flags) {
    const answer = await prompt.text(
      flag.choices ? `--${flag.long} (${flag.choices.join(', ')})` : `--${flag.long} ${flag.value}`,
    );
    answers[flag.long] = flag.many ? answer.split(/\s+/) : answer;
  }
  const whole: Parsed = { flags: { ...parsed.flags, ...answers }, args: given };
  const still = flags.filter((flag) => (whole.flags[flag.long] ?? '') === '');
  if (still.length > 0 || given.some((arg) => arg === '')) throw failure(spec, argv, args, still);
  return whole;
}
