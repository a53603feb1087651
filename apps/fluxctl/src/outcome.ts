import type { ExitCode } from './exit.ts';

/** What a command has to show. Commands make these values, renderers print them. */

export type Tone = 'plain' | 'done' | 'warn' | 'fail' | 'dim';
/** Talk: goes to stderr. */
export interface Line {
  readonly tone: Tone;
  readonly text: string;
}

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Only with `-o wide`. */
  readonly wide?: boolean;
}
export interface Grid {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Titles only shown with `-o wide`, by position. */
  readonly wide: ReadonlySet<number>;
}

/** What goes to stdout in the formats table and wide. */
export type View =
  | { readonly kind: 'grid'; readonly grid: Grid }
  | { readonly kind: 'sheet'; readonly fields: readonly (readonly [string, string])[]; readonly grids: readonly Grid[] }
  | { readonly kind: 'text'; readonly text: string }
  /** To be read by a program again: printed byte by byte. */
  | { readonly kind: 'raw'; readonly text: string }
  | { readonly kind: 'none' };

export interface Shown {
  readonly view: View;
  /** One per object, for `-o name`. */
  readonly names: readonly string[];
  readonly before?: readonly Line[];
  readonly after?: readonly Line[];
  readonly exit?: ExitCode;
  /** The view, the names or the data hold a secret: losing stdout is then a failure. */
  readonly holdsSecret?: boolean;
}

export function grid<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Grid {
  return {
    titles: columns.map((column) => column.title),
    rows: rows.map((row) => columns.map((column) => column.text(row))),
    wide: new Set(columns.flatMap((column, i) => (column.wide ? [i] : []))),
  };
}
export const gridView = <Row>(rows: readonly Row[], columns: readonly Column<Row>[]): View => ({
  kind: 'grid',
  grid: grid(rows, columns),
});
export const sheet = (fields: readonly (readonly [string, string])[], grids: readonly Grid[] = []): View => ({
  kind: 'sheet',
  fields,
  grids,
});
export const text = (content: string): View => ({ kind: 'text', text: content });
export const raw = (content: string): View => ({ kind: 'raw', text: content });
export const none: View = { kind: 'none' };

const line =
  (tone: Tone) =>
  (content: string): Line => ({ tone, text: content });
export const plain = line('plain');
export const done = line('done');
export const warn = line('warn');
export const fail = line('fail');
export const dim = line('dim');
