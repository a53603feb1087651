import type { Grid, View } from '../outcome.ts';
import { isAscii, plainColumns } from './plain.ts';
import { safe, safeLine } from './safe.ts';

/** The formats table and wide. Where characters may be two columns wide, cli-table3 measures them. */
export interface TableStyle {
  readonly wide: boolean;
  readonly title: (text: string) => string;
}

const BARE = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((part) => [part, '']),
);

async function measured(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  title: (text: string) => string,
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: titles.map(title),
    chars: { ...BARE, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map(safeLine));
  return `${table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}

async function gridText(given: Grid, style: TableStyle): Promise<string> {
  const shown = (cells: readonly string[]): string[] => cells.filter((_, i) => style.wide || !given.wide.has(i));
  const titles = shown(given.titles);
  const rows = given.rows.map(shown);
  return isAscii(rows) ? plainColumns(titles, rows, style.title) : measured(titles, rows, style.title);
}

export async function tableText(view: View, style: TableStyle): Promise<string> {
  switch (view.kind) {
    case 'none':
      return '';
    case 'raw':
      return view.text;
    case 'text':
      return view.text === '' || view.text.endsWith('\n') ? safe(view.text) : `${safe(view.text)}\n`;
    case 'grid':
      return view.grid.rows.length === 0 ? '' : gridText(view.grid, style);
    case 'sheet': {
      const left = Math.max(0, ...view.fields.map(([label]) => label.length));
      const fields = view.fields
        .map(([label, value]) => `${style.title(label)}${' '.repeat(left - label.length + 2)}${safeLine(value)}\n`)
        .join('');
      const grids = await Promise.all(view.grids.filter((each) => each.rows.length > 0).map((each) => gridText(each, style)));
      return [fields, ...grids].filter((part) => part !== '').join('\n');
    }
  }
}
