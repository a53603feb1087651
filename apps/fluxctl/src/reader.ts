import type { QuotaSpec } from '@fluxgate/protocol/admin';
import { type Failure, usage } from './failure.ts';
import type { Parsed } from './parse.ts';
import { type Read, readCount, readDuration, readExpiry, readQuota } from './units.ts';

/** Reads flags into options and keeps every mistake, so that all of them are told at once. */
export interface Reader {
  readonly args: readonly string[];
  text(flag: string): string | undefined;
  list(flag: string): readonly string[] | undefined;
  on(flag: string): boolean;
  /** `--x` true, `--no-x` false, neither undefined. */
  choice(flag: string): boolean | undefined;
  durationMs(flag: string): number | undefined;
  /** A duration or a date, as milliseconds from now. */
  expiryMs(flag: string): number | undefined;
  /** null: unlimited. */
  quota(flag: string): QuotaSpec | null | undefined;
  count(flag: string): number | undefined;
  /** null: unlimited. */
  countOrUnlimited(flag: string): number | null | undefined;
  /** `k=v` words; an empty value removes the key (null). */
  pairs(flag: string): Readonly<Record<string, string | null>> | undefined;
  wrong(flag: string, why: string, remedy?: string | null): void;
  /** What was wrong, as one failure. */
  failure(): Failure | null;
}

export function readerOf(parsed: Parsed, nowMs: number): Reader {
  const mistakes: { flag: string; why: string; remedy: string | null }[] = [];
  const wrong = (flag: string, why: string, remedy: string | null = null): void => {
    mistakes.push({ flag, why, remedy });
  };
  const textOf = (flag: string): string | undefined => {
    const value = parsed.flags[flag];
    return typeof value === 'string' ? value : undefined;
  };
  const listOf = (flag: string): readonly string[] | undefined => {
    const value = parsed.flags[flag];
    return Array.isArray(value) ? value : undefined;
  };
  const read = <T>(flag: string, reading: (text: string) => Read<T>): T | undefined => {
    const text = textOf(flag);
    if (text === undefined) return undefined;
    const found = reading(text);
    if (found.ok) return found.value;
    wrong(flag, found.why, found.remedy);
    return undefined;
  };
  return {
    args: parsed.args,
    text: textOf,
    list: listOf,
    on: (flag) => parsed.flags[flag] === true,
    choice: (flag) => {
      const value = parsed.flags[flag];
      return typeof value === 'boolean' ? value : undefined;
    },
    durationMs: (flag) => read(flag, readDuration),
    expiryMs: (flag) =>
      read(flag, (text) =>
        text === 'never'
          ? { ok: false, why: 'every key ends at some time', remedy: 'leave --expiry out: max_age of the policy decides' }
          : readExpiry(text, nowMs),
      ),
    quota: (flag) => read(flag, readQuota),
    count: (flag) => read(flag, readCount),
    countOrUnlimited: (flag) =>
      read<number | null>(flag, (text) => (text === 'unlimited' ? { ok: true, value: null } : readCount(text))),
    pairs: (flag) => {
      const words = listOf(flag);
      if (words === undefined) return undefined;
      const pairs: Record<string, string | null> = {};
      for (const word of words) {
        const at = word.indexOf('=');
        if (at < 1) wrong(flag, `${word} is not key=value`, `write --${flag} team=payments`);
        else pairs[word.slice(0, at)] = word.slice(at + 1) === '' ? null : word.slice(at + 1);
      }
      return pairs;
    },
    wrong,
    failure: () => {
      const first = mistakes[0];
      if (first === undefined) return null;
      const say = (m: (typeof mistakes)[number]) => `--${m.flag}: ${m.why}${m.remedy ? `; ${m.remedy}` : ''}`;
      if (mistakes.length === 1)
        return usage(`--${first.flag}: ${first.why}`, { code: 'invalid_value', field: `--${first.flag}`, hint: first.remedy });
      return usage(`${mistakes.length} values cannot be used`, {
        code: 'invalid_value',
        details: mistakes.map(say),
        items: mistakes.map(({ flag, why, remedy }) => ({ field: `--${flag}`, message: why, hint: remedy })),
      });
    },
  };
}
