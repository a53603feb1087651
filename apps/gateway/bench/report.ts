import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { plot } from './plot.ts';

/** Medians of one proxy in one case. */
export interface Row {
  readonly case: string;
  readonly peer: string;
  readonly perCoreSecond: number;
  readonly perSecond: number;
  /** Requests per core-second over those of each other proxy of the case: medians of per-round quotients. */
  readonly ratios: Readonly<Record<string, number>>;
  /** The same of the 99th percentile. */
  readonly p99Ratios: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly memoryMiB: number;
  /** Answers of another kind than the case wants, and broken connections. */
  readonly unexpected: number;
}

export interface IdleRow {
  readonly peer: string;
  readonly connections: number;
  readonly kibPerConnection: number;
}

/** One figure that the project has set itself. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly bar: number;
  readonly moonshot: number | null;
  readonly sense: 'at least' | 'at most';
}

export interface Report {
  /** Names the files. */
  readonly bench: string;
  readonly takenAt: string;
  readonly machine: string;
  readonly node: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly says: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  readonly idle: readonly IdleRow[];
  readonly figures: readonly Figure[];
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

export const machineName = (): string => `${cpus()[0]?.model.trim() ?? 'unknown'} × ${cpus().length}`;

export const number = (value: number, digits = 0): string =>
  Number.isFinite(value) ? value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits }) : '–';

export const isMet = ({ value, bar, sense }: Figure): boolean => (sense === 'at least' ? value >= bar : value <= bar);

function columns(rows: readonly (readonly string[])[], texts: number): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i < texts ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

const REFERENCES = ['haproxy', 'nginx', 'nginx+lua', 'caddy', 'fastify', 'express-gateway'];

export function table(report: Report): string {
  const { rows, figures, idle } = report;
  const blocks: string[][] = [
    [
      `${report.bench}: ${report.machine}, Node ${report.node}, ${report.rounds} × ${report.seconds} s, ${report.takenAt}`,
      'req/core-s: requests per second of processor time of the proxy, user and system, all its threads. × HAProxy: of the same round.',
    ],
    columns(
      [
        ['case', 'proxy', 'req/core-s', '× haproxy', 'req/s', 'p50 ms', 'p99 ms', 'MiB', 'unexpected'],
        ...rows.map((row) => [
          row.case,
          row.peer,
          number(row.perCoreSecond),
          number(row.ratios['haproxy'] ?? Number.NaN, 2),
          number(row.perSecond),
          number(row.p50Ms, 2),
          number(row.p99Ms, 2),
          number(row.memoryMiB),
          number(row.unexpected),
        ]),
      ],
      2,
    ),
  ];
  const ours = rows.filter((row) => row.peer === 'fluxgate');
  const named = REFERENCES.filter((peer) => ours.some((row) => peer in row.ratios));
  if (named.length > 0)
    blocks.push(
      columns(
        [
          ['fluxgate, times', ...named],
          ...ours.map((row) => [row.case, ...named.map((peer) => number(row.ratios[peer] ?? Number.NaN, 2))]),
        ],
        1,
      ),
    );
  if (idle.length > 0)
    blocks.push(
      columns(
        [
          ['idle connections', 'open', 'KiB each'],
          ...idle.map((one) => [one.peer, number(one.connections), number(one.kibPerConnection, 1)]),
        ],
        1,
      ),
    );
  if (figures.length > 0)
    blocks.push(
      columns(
        [
          ['figure', '', 'measured', 'bar', 'moonshot'],
          ...figures.map((one) => [
            one.what,
            isMet(one) ? 'met' : 'MISSED',
            number(one.value, 2),
            `${one.sense === 'at least' ? '≥' : '≤'} ${one.bar}`,
            one.moonshot === null ? '' : String(one.moonshot),
          ]),
        ],
        2,
      ),
    );
  const cases = Object.entries(report.says).filter(([name]) => rows.some((row) => row.case === name));
  if (cases.length > 0) blocks.push(columns(cases, 2));
  if (report.notes.length > 0) blocks.push(report.notes.map((note) => `note: ${note}`));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** `<bench>.json`, `.txt` and `.svg`. */
export function writeReport(dir: string, report: Report): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${report.bench}.json`), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(dir, `${report.bench}.txt`), table(report));
  writeFileSync(join(dir, `${report.bench}.svg`), plot(report));
}
