import type { Diagnostic } from '../admin/resources.ts';
import type { Place } from './input.ts';

/** Stable words for what is wrong; part of the API. The findings of the policy (`judgeConfig`) bring codes of their own. */
export type ConfigCode =
  | 'yaml_syntax'
  | 'too_large'
  | 'duplicate_key'
  | 'duplicate_object'
  | 'unknown_document'
  | 'unknown_field'
  | 'unknown_middleware'
  | 'missing_field'
  | 'wrong_type'
  | 'bad_value'
  | 'bad_unit'
  | 'conflict'
  | 'secret_in_clear'
  | 'insecure'
  | 'empty_file';

const DIAGNOSTICS_MAX = 1000;

/** Collects everything that is wrong, so that one run tells all of it. */
export interface Report {
  error(at: Place, code: ConfigCode, message: string, remedy?: string | null): void;
  warn(at: Place, code: ConfigCode, message: string, remedy?: string | null): void;
  readonly errorCount: () => number;
  /** In the order of the files, then of the lines. */
  readonly diagnostics: () => readonly Diagnostic[];
}

export function createReport(files: readonly { readonly name: string }[]): Report {
  const found: Diagnostic[] = [];
  let dropped = 0;
  let errors = 0;
  const add = (severity: Diagnostic['severity'], at: Place, code: ConfigCode, message: string, remedy: string | null) => {
    if (severity === 'error') errors += 1;
    if (found.length < DIAGNOSTICS_MAX) found.push({ severity, code, ...at, message, remedy });
    else dropped += 1;
  };
  return {
    error: (at, code, message, remedy = null) => add('error', at, code, message, remedy),
    warn: (at, code, message, remedy = null) => add('warning', at, code, message, remedy),
    errorCount: () => errors,
    diagnostics: () => {
      const sorted = inFileOrder(found, files);
      const last = sorted.at(-1);
      if (dropped === 0 || last === undefined) return sorted;
      const more = `${dropped} more mistakes are not listed: mend these first`;
      return [...sorted, { ...last, severity: 'error', code: 'too_large', message: more, remedy: null }];
    },
  };
}

/** Sorts by file as given, line, column; equal places keep the order in which they were found. */
export function inFileOrder(found: readonly Diagnostic[], files: readonly { readonly name: string }[]): Diagnostic[] {
  const order = new Map(files.map((file, index) => [file.name, index]));
  const rank = (one: Diagnostic) => order.get(one.file) ?? files.length;
  return found.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
}

/** A value from the file as it may stand in a message: one line, short, quoted. */
export function quoted(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return `\`${cut.replace(/\p{C}/gu, '·').replaceAll('`', "'")}\``;
}

/** The known name that was most likely meant, or null when none is near. */
export function nearest(given: string, known: Iterable<string>): string | null {
  const wanted = plain(given);
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of known) {
    const distance = editDistance(wanted, plain(name));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return bestDistance <= Math.max(1, Math.floor(wanted.length / 3)) ? best : null;
}

/** `headerName`, `header-name` and `header_name` are one word to whoever mistyped it. */
const plain = (name: string): string =>
  name
    .slice(0, 64)
    .replace(/[_\-\s.]/g, '')
    .toLowerCase();

/** Optimal string alignment: one edit is an insertion, a deletion, a substitution or a swap of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}
