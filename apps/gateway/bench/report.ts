import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

/** Medians of one proxy in one case. */
export interface Row {
  readonly case: string;
  readonly peer: string;
  readonly perCoreSecond: number;
  /** Median of the per-round quotients against HAProxy; null without it. */
  readonly againstHaproxy: number | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly memoryMiB: number;
  readonly unexpected: number;
}

export interface IdleRow {
  readonly connections: number;
  readonly kibPerConnection: number;
}

export interface GatewayReport {
  readonly takenAt: string;
  readonly machine: string;
  readonly node: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly rows: readonly Row[];
  readonly idle: IdleRow | null;
}

export const machineName = (): string => `${cpus()[0]?.model.trim() ?? 'unknown'} × ${cpus().length}`;

const cell = (text: string, width: number): string => text.padEnd(width);
const number = (value: number, digits = 0): string =>
  Number.isFinite(value) ? value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits }) : '–';

export function table(report: GatewayReport): string {
  const lines = [`${report.machine}, Node ${report.node}, ${report.rounds} rounds of ${report.seconds} s, ${report.takenAt}`, ''];
  lines.push(
    ['case', 'proxy', 'req/core-s', '÷ haproxy', 'p50 ms', 'p99 ms', 'MiB', 'unexpected']
      .map((head, i) => cell(head, i < 2 ? 18 : 12))
      .join(''),
  );
  for (const row of report.rows) {
    const ratio = row.againstHaproxy === null ? '–' : `${number(row.againstHaproxy, 2)}`;
    const cells = [
      row.case,
      row.peer,
      number(row.perCoreSecond),
      ratio,
      number(row.p50Ms, 2),
      number(row.p99Ms, 2),
      number(row.memoryMiB),
      number(row.unexpected),
    ];
    lines.push(cells.map((text, i) => cell(text, i < 2 ? 18 : 12)).join(''));
  }
  if (report.idle !== null)
    lines.push(
      '',
      `idle connections: ${number(report.idle.kibPerConnection, 1)} KiB each (${number(report.idle.connections)} open)`,
    );
  return `${lines.join('\n')}\n`;
}

const COLOURS: Readonly<Record<string, string>> = { fluxgate: '#2563eb', haproxy: '#64748b', nginx: '#16a34a', caddy: '#d97706' };

/** Bars per case, in requests per core-second. */
export function svg(report: GatewayReport): string {
  const names = [...new Set(report.rows.map((row) => row.case))];
  const barHeight = 16;
  const parts: string[] = [];
  let y = 40;
  for (const name of names) {
    const rows = report.rows.filter((row) => row.case === name);
    const most = Math.max(...rows.map((row) => row.perCoreSecond), 1);
    parts.push(`<text x="10" y="${y}" font-weight="bold">${name}</text>`);
    y += 6;
    for (const row of rows) {
      const width = Math.round((row.perCoreSecond / most) * 420);
      parts.push(`<rect x="130" y="${y}" width="${width}" height="${barHeight - 3}" fill="${COLOURS[row.peer] ?? '#a1a1aa'}"/>`);
      parts.push(
        `<text x="124" y="${y + 11}" text-anchor="end">${row.peer}</text><text x="${136 + width}" y="${y + 11}">${number(row.perCoreSecond)}</text>`,
      );
      y += barHeight;
    }
    y += 22;
  }
  const title = `Requests per second of processor time (${report.takenAt.slice(0, 10)}, ${report.machine})`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="${y}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-size="13">${title.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>${parts.join('')}</svg>\n`;
}

export function writeReport(dir: string, report: GatewayReport): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'gateway.json'), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(dir, 'gateway.svg'), svg(report));
  writeFileSync(join(dir, 'gateway.txt'), table(report));
}
