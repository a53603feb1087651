import { wordsAfter } from '../locate.ts';
import { GLOBAL_FLAGS } from '../specs/globals.ts';
import { NOUN_SUMMARY, SPECS } from '../specs/index.ts';
import type { FlagSpec } from '../specs/types.ts';

/** What every shell needs to know: for each path of words, what may come next. Scripts are static: no process per Tab. */
export interface Spot {
  readonly path: readonly string[];
  readonly words: readonly { readonly word: string; readonly help: string }[];
  readonly flags: readonly FlagSpec[];
  /** Positional arguments that are known words. */
  readonly choices: readonly string[];
}

export const SHELLS: readonly string[] = ['bash', 'zsh', 'fish', 'powershell'];
const positional: Readonly<Record<string, readonly string[]>> = { completion: SHELLS, help: ['exit-codes', 'environment'] };

export function spots(): Spot[] {
  const found: Spot[] = [];
  const visit = (path: readonly string[]): void => {
    const spec = SPECS.find(
      (one) => one.path.join(' ') === path.join(' ') || one.aliases?.some((alias) => alias.join(' ') === path.join(' ')),
    );
    const words = wordsAfter(path).map((word) => {
      const below = [...path, word].join(' ');
      return { word, help: SPECS.find((one) => one.path.join(' ') === below)?.summary ?? NOUN_SUMMARY[below] ?? '' };
    });
    found.push({ path, words, flags: [...(spec?.flags ?? []), ...GLOBAL_FLAGS], choices: positional[path.join(' ')] ?? [] });
    for (const { word } of words) visit([...path, word]);
  };
  visit([]);
  return found;
}

export const flagWords = (flag: FlagSpec): string[] => [
  `--${flag.long}`,
  ...(flag.negatable ? [`--no-${flag.long}`] : []),
  ...(flag.short ? [`-${flag.short}`] : []),
];
/** Global flags that take a value: their value is no word of the command. */
export const valued = (): string[] => GLOBAL_FLAGS.filter((flag) => flag.value !== undefined).flatMap(flagWords);
export const takesFile = (flag: FlagSpec): boolean => /FILE|^PATH$/.test(flag.value ?? '') && flag.long !== 'field';
