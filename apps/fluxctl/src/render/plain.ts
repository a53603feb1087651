import { safeLine } from './safe.ts';

/** Columns of ASCII text, two spaces apart, no borders: for lists, which people also grep and cut. */
export const isAscii = (rows: readonly (readonly string[])[]): boolean =>
  rows.every((row) => row.every((cell) => /^[\x20-\x7e]*$/.test(cell)));

export function plainColumns(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  bold: (text: string) => string,
): string {
  const cells = rows.map((row) => row.map(safeLine));
  const widths = titles.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const lineOf = (row: readonly string[], paint: (text: string) => string): string =>
    row.map((cell, i) => (i === row.length - 1 ? paint(cell) : paint(cell) + ' '.repeat(widths[i]! - cell.length))).join('  ');
  return `${[lineOf(titles, bold), ...cells.map((row) => lineOf(row, (text) => text))].map((line) => line.trimEnd()).join('\n')}\n`;
}
