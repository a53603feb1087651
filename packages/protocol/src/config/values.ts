import { formatDuration, formatRate, parseDuration, parseRate, type Rate } from '@fluxgate/policy';
import { nearest, quoted } from './report.ts';
import { type Cursor, fieldName, type Plain, pathText, step, type ValueType, withArticle } from './schema.ts';
import type { ScalarTree, Tree } from './tree.ts';

/** The kinds of value that are not particular to a gateway: text, numbers, units, lists, maps. */

export function wantScalar(tree: Tree, at: Cursor, label: string): ScalarTree | undefined {
  if (tree.kind === 'scalar' && tree.value !== null) return tree;
  const what = tree.kind === 'scalar' ? 'nothing' : tree.kind === 'list' ? 'a list' : 'a map';
  at.report.error(tree.at, 'wrong_type', `\`${pathText(at)}\` takes ${withArticle(label)}, not ${what}`, null);
  return undefined;
}

export interface TextRule {
  readonly label: string;
  readonly charsMax?: number;
  /** null: well formed; otherwise what is wrong, and what to write instead. */
  check(text: string): { why: string; remedy: string | null } | null;
  /** The value is never repeated in a message. */
  readonly isPrivate?: boolean;
  /** The one spelling that is kept of several that mean the same. */
  readonly canonical?: (text: string) => string;
}

/** Text with a grammar of its own. */
export function text(rule: TextRule): ValueType<string> {
  return {
    label: rule.label,
    read: (tree, at) => {
      const found = wantScalar(tree, at, rule.label);
      if (found === undefined) return undefined;
      if (typeof found.value !== 'string') {
        at.report.error(
          tree.at,
          'wrong_type',
          `\`${pathText(at)}\` takes ${withArticle(rule.label)}, and unquoted this is a ${typeof found.value}`,
          `quote it: "${rule.isPrivate ? '…' : found.source.slice(0, 60)}"`,
        );
        return undefined;
      }
      const max = rule.charsMax ?? 2048;
      if (found.value.length > max) {
        at.report.error(
          tree.at,
          'bad_value',
          `\`${pathText(at)}\` may have ${max} characters, this has ${found.value.length}`,
          null,
        );
        return undefined;
      }
      const problem = rule.check(found.value);
      if (problem === null) return rule.canonical?.(found.value) ?? found.value;
      const value = rule.isPrivate ? 'this value' : quoted(found.value);
      at.report.error(
        tree.at,
        'bad_value',
        `\`${pathText(at)}\`: ${value} is not ${withArticle(rule.label)}: ${problem.why}`,
        problem.remedy,
      );
      return undefined;
    },
    write: (value) => value,
  };
}

/** Any text of one line. */
export const words = (charsMax: number): ValueType<string> =>
  text({
    label: 'text',
    charsMax,
    check: (value) =>
      value === ''
        ? { why: 'it is empty', remedy: null }
        : /\p{Cc}/u.test(value)
          ? { why: 'it holds a control character', remedy: null }
          : null,
  });

const YES_NO: Readonly<Record<string, boolean>> = {
  yes: true,
  on: true,
  true: true,
  y: true,
  no: false,
  off: false,
  false: false,
  n: false,
};

export const flag: ValueType<boolean> = {
  label: 'true or false',
  read: (tree, at) => {
    const found = wantScalar(tree, at, 'true or false');
    if (found === undefined || typeof found.value === 'boolean') return found?.value as boolean | undefined;
    const meant = YES_NO[found.source.toLowerCase()];
    at.report.error(
      tree.at,
      'wrong_type',
      `\`${pathText(at)}\` takes true or false, not ${found.isQuoted ? 'text in quotes' : quoted(found.source)}`,
      meant === undefined ? null : `\`${fieldName(at)}: ${meant}\``,
    );
    return undefined;
  },
  write: (value) => value,
};

export const integer = (min: number, max: number, label = `whole number ${min}–${max}`): ValueType<number> => ({
  label,
  read: (tree, at) => {
    const found = wantScalar(tree, at, label);
    if (found === undefined) return undefined;
    const { value } = found;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const isDigits = typeof value === 'string' && /^\d{1,15}$/.test(value) && Number(value) >= min && Number(value) <= max;
    const grouped = /^\d{1,3}([,_' .]\d{3})+$/.test(found.source) ? found.source.replace(/\D/g, '') : null;
    const remedy = isDigits
      ? `without quotes: \`${fieldName(at)}: ${Number(value)}\``
      : grouped === null
        ? null
        : `\`${fieldName(at)}: ${grouped}\``;
    at.report.error(
      tree.at,
      typeof value === 'number' ? 'bad_value' : 'wrong_type',
      `\`${pathText(at)}\` takes ${withArticle(label)}, not ${quoted(found.source)}`,
      remedy,
    );
    return undefined;
  },
  write: (value) => value,
});

/** A word in place of a value, e.g. `unlimited` in place of a number. */
export const orWord = <T, W extends string>(word: W, type: ValueType<T>): ValueType<T | W> => ({
  label: `${type.label} or \`${word}\``,
  read: (tree, at) => (tree.kind === 'scalar' && tree.value === word ? word : type.read(tree, at)),
  write: (value, wording) => (value === word ? word : type.write(value as T, wording)),
});

/** `refused` gives a sentence to values that people will try for a reason. */
export function oneOf<const W extends string>(
  options: readonly W[],
  refused: (given: string) => { why: string; remedy: string | null } | null = () => null,
): ValueType<W> {
  const label = options.map((one) => `\`${one}\``).join(' | ');
  return {
    label,
    read: (tree, at) => {
      const found = wantScalar(tree, at, label);
      if (found === undefined) return undefined;
      const option = options.find((one) => one === found.value);
      if (option !== undefined) return option;
      const said = refused(found.source);
      const near = nearest(found.source, options);
      const remedy = said === null ? (near === null ? `one of ${options.join(', ')}` : `\`${near}\``) : said.remedy;
      at.report.error(
        tree.at,
        'bad_value',
        `\`${pathText(at)}\`: ${said === null ? `${quoted(found.source)} is not one of ${options.join(', ')}` : said.why}`,
        remedy,
      );
      return undefined;
    },
    write: (value) => value,
  };
}

const DAY_MS = 86_400_000;

/** A length of time with its unit; bounds in milliseconds. */
export const duration = (minMs: number, maxMs: number): ValueType<number> => ({
  label: 'duration',
  read: (tree, at) => {
    const found = wantScalar(tree, at, 'duration');
    if (found === undefined) return undefined;
    if (typeof found.value === 'number' || /^\d+$/.test(found.source)) {
      at.report.error(
        tree.at,
        'bad_unit',
        `\`${pathText(at)}\`: ${found.source} of what? A duration has a unit: s, m, h, d`,
        `\`${fieldName(at)}: ${found.source}s\` if seconds were meant`,
      );
      return undefined;
    }
    const parsed = parseDuration(found.source);
    if (!parsed.ok) {
      at.report.error(tree.at, 'bad_unit', `\`${pathText(at)}\`: ${parsed.why}`, parsed.remedy);
      return undefined;
    }
    if (parsed.value >= minMs && parsed.value <= maxMs) return parsed.value;
    const bound = parsed.value < minMs ? `at least ${formatDuration(minMs)}` : `at most ${formatDuration(maxMs)}`;
    at.report.error(tree.at, 'bad_value', `\`${pathText(at)}\` is ${bound}, not ${found.source}`, null);
    return undefined;
  },
  write: (value) => formatDuration(value),
});
export const upTo = (days: number): number => days * DAY_MS;

export const rate: ValueType<Rate> = {
  label: 'rate',
  read: (tree, at) => {
    const found = wantScalar(tree, at, 'rate');
    if (found === undefined) return undefined;
    if (typeof found.value === 'number' || /^\d+$/.test(found.source)) {
      at.report.error(
        tree.at,
        'bad_unit',
        `\`${pathText(at)}\`: ${found.source} per what? A rate is a count per unit of time`,
        `\`${fieldName(at)}: ${found.source}/min\` or \`${found.source}/s\``,
      );
      return undefined;
    }
    const parsed = parseRate(found.source);
    if (parsed.ok) return parsed.value;
    at.report.error(tree.at, 'bad_unit', `\`${pathText(at)}\`: ${parsed.why}`, parsed.remedy);
    return undefined;
  },
  write: (value) => formatRate(value),
};

export interface ListRule {
  readonly min?: number;
  /** Why an empty list is a mistake here. */
  readonly whyNotEmpty?: string;
  readonly max?: number;
  /** A single value may stand for a list of one. */
  readonly isLoneAllowed?: boolean;
  readonly areDuplicatesAllowed?: boolean;
}

export function listOf<T>(type: ValueType<T>, rule: ListRule = {}): ValueType<readonly T[]> {
  const max = rule.max ?? 1000;
  return {
    label: rule.isLoneAllowed ? `${type.label}, or a list` : `list of: ${type.label}`,
    read: (tree, at) => {
      if (tree.kind !== 'list') {
        if (!rule.isLoneAllowed) {
          const lone =
            tree.kind === 'scalar' && !/\p{Cc}/u.test(tree.source)
              ? `\`${fieldName(at)}: [${tree.source
                  .slice(0, 60)
                  .split(/[\s,]+/)
                  .join(', ')}]\``
              : null;
          at.report.error(tree.at, 'wrong_type', `\`${pathText(at)}\` is a list`, lone);
          return undefined;
        }
        const only = type.read(tree, at);
        return only === undefined ? undefined : [only];
      }
      if (tree.items.length === 0 && rule.whyNotEmpty !== undefined) {
        at.report.error(
          tree.at,
          'bad_value',
          `\`${pathText(at)}\` is empty: ${rule.whyNotEmpty}`,
          `name at least one, or remove \`${fieldName(at)}\``,
        );
        return undefined;
      }
      if (tree.items.length > max) {
        at.report.error(tree.at, 'too_large', `\`${pathText(at)}\` may have ${max} entries, this has ${tree.items.length}`, null);
        return undefined;
      }
      return readItems(type, tree.items, at, rule.areDuplicatesAllowed === true);
    },
    write: (values, wording) => values.map((value) => type.write(value, wording)),
  };
}

function readItems<T>(type: ValueType<T>, items: readonly Tree[], at: Cursor, areDuplicatesAllowed: boolean): T[] | undefined {
  const values: T[] = [];
  const seen = new Set<unknown>();
  let isWhole = true;
  items.forEach((item, index) => {
    const value = type.read(item, step(at, index, item.at));
    if (value === undefined) {
      isWhole = false;
      return;
    }
    if (typeof value === 'string' && seen.has(value) && !areDuplicatesAllowed)
      at.report.error(item.at, 'bad_value', `${quoted(value)} stands in \`${pathText(at)}\` twice`, 'remove one');
    else values.push(value);
    seen.add(value);
  });
  return isWhole ? values : undefined;
}

/** A map whose keys the operator chooses. Keys are read by `key`, so that a bad one is reported at its place. */
export const mapOf = <T>(
  key: ValueType<string>,
  type: ValueType<T>,
  charsLabel = `map of ${key.label} → ${type.label}`,
): ValueType<Readonly<Record<string, T>>> => ({
  label: charsLabel,
  read: (tree, at) => {
    const pairs = readPairs(key, type, tree, at);
    return pairs === undefined ? undefined : Object.fromEntries(pairs);
  },
  write: (values, wording) =>
    new Map<string, Plain>(Object.entries(values).map(([name, value]) => [name, type.write(value, wording)])),
});

/** Like `mapOf`, in document order. undefined when it is no map; a bad entry is reported and left out. */
export function readPairs<T>(key: ValueType<string>, type: ValueType<T>, tree: Tree, at: Cursor): [string, T][] | undefined {
  if (tree.kind !== 'map') {
    at.report.error(
      tree.at,
      'wrong_type',
      `\`${pathText(at)}\` is a map of names`,
      tree.kind === 'list' ? `\`${fieldName(at)}: { name: … }\`, without dashes` : null,
    );
    return undefined;
  }
  return tree.entries.flatMap((entry): [string, T][] => {
    const inner = step(at, entry.key, entry.at);
    const name = key.read({ kind: 'scalar', at: entry.at, value: entry.key, source: entry.key, isQuoted: false }, inner);
    const value = type.read(entry.value, inner);
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
}
