import { usage } from './failure.ts';
import { GLOBAL_FLAGS } from './specs/globals.ts';
import { SPECS } from './specs/index.ts';
import type { CommandSpec } from './specs/types.ts';
import { didYouMean } from './suggest.ts';

/**
 * Finds the command in an argument vector: the words before the first flag that is not global. Global flags and their
 * values may stand anywhere before it.
 */
export interface Located {
  /** The words that were read as a command, aliases resolved; a noun without a verb has no spec. */
  readonly path: readonly string[];
  readonly spec: CommandSpec | null;
  /** The arguments without the words of the command. */
  readonly rest: readonly string[];
  readonly wantsHelp: boolean;
  /** Last `-o` of the vector, so that a usage error already comes in the format asked for. */
  readonly output: string | null;
}

const VALUED = new Set(
  GLOBAL_FLAGS.flatMap((flag) => (flag.value === undefined ? [] : [`--${flag.long}`, ...(flag.short ? [`-${flag.short}`] : [])])),
);
const GLOBAL_SWITCH = new Set(
  GLOBAL_FLAGS.flatMap((flag) =>
    flag.value === undefined
      ? [`--${flag.long}`, ...(flag.negatable ? [`--no-${flag.long}`] : []), ...(flag.short ? [`-${flag.short}`] : [])]
      : [],
  ),
);

const ALIASES: readonly (readonly [readonly string[], CommandSpec])[] = SPECS.flatMap((spec) => [
  [spec.path, spec] as const,
  ...(spec.aliases ?? []).map((alias) => [alias, spec] as const),
]);
const startsWith = (path: readonly string[], words: readonly string[]): boolean => words.every((word, i) => path[i] === word);

/** Words that may follow these words. */
export const wordsAfter = (path: readonly string[]): string[] => [
  ...new Set(
    ALIASES.filter(([known]) => known.length > path.length && startsWith(known, path)).map(([known]) => known[path.length]!),
  ),
];

function lastOutput(argv: readonly string[]): string | null {
  let found: string | null = null;
  for (let i = 0; i < argv.length && argv[i] !== '--'; i++) {
    const arg = argv[i]!;
    const inline = /^(?:--output=|-o=?)(.+)$/.exec(arg);
    if (inline) found = inline[1]!;
    else if (arg === '-o' || arg === '--output') found = argv[++i] ?? null;
  }
  return found;
}

export function locate(argv: readonly string[]): Located {
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  const wantsHelp = flags.includes('--help') || flags.includes('-h');
  const path: string[] = [];
  const rest: string[] = [];
  let i = 0;
  for (; i < argv.length; i++) {
    const arg = argv[i]!;
    if (VALUED.has(arg)) {
      rest.push(arg);
      if (i + 1 < argv.length) rest.push(argv[++i]!);
    } else if (GLOBAL_SWITCH.has(arg) || /^--[a-z-]+=/.test(arg) || /^-o./.test(arg) || /^-[qvyh]+$/.test(arg)) rest.push(arg);
    else if (arg.startsWith('-')) break;
    else if (wordsAfter(path).includes(arg)) path.push(arg);
    else break;
  }
  const unread = argv.slice(i);
  const exact = ALIASES.find(([known]) => known.length === path.length && startsWith(known, path));
  const next = unread.find((arg) => arg !== '--');
  if (!exact && next !== undefined && !next.startsWith('-')) {
    const known = wordsAfter(path);
    const typed = [...path, next].join(' ');
    const elsewhere =
      path.length === 0 ? SPECS.filter((spec) => spec.path.at(-1) === next).map((spec) => spec.path.join(' ')) : [];
    throw usage(`unknown command: fluxctl ${typed}`, {
      code: 'unknown_command',
      hint:
        didYouMean(next, known) ??
        (elsewhere.length > 0
          ? `Did you mean ${elsewhere.join(' or ')}?`
          : path.length === 0
            ? 'All commands: fluxctl --help'
            : `Known here: ${known.join(', ')}`),
    });
  }
  return {
    path: exact ? exact[1].path : path,
    spec: exact ? exact[1] : null,
    rest: [...rest, ...unread],
    wantsHelp,
    output: lastOutput(argv),
  };
}
