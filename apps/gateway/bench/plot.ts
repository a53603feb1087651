import { number, type Report, type Row } from './report.ts';

const COLOURS: Readonly<Record<string, string>> = {
  haproxy: '#64748b',
  nginx: '#16a34a',
  'nginx+lua': '#65a30d',
  caddy: '#d97706',
  fastify: '#a855f7',
  'express-gateway': '#db2777',
  'tcp relay': '#a1a1aa',
};
const colour = (name: string): string => COLOURS[name] ?? (name.startsWith('fluxgate') ? '#2563eb' : '#a1a1aa');

const LEFT = 190;
const WIDTH = 520;
const BAR = 15;
const STEP = 19;
/** Ratios above it are cut off, and their label says so. */
const MOST = 1.6;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const text = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${x}" y="${y}" ${more}>${escaped(content)}</text>`;

/** What a case is measured against: HAProxy, else the last of its rows. */
function reference(rows: readonly Row[]): Row | undefined {
  return rows.find((row) => row.peer === 'haproxy') ?? rows.at(-1);
}

/** A group of bars per case, as multiples of HAProxy in requests per core-second; the bar (0.8) and HAProxy itself (1.0) are lines through all. */
export function plot(report: Report): string {
  const parts: string[] = [];
  const at = (ratio: number): number => LEFT + Math.round((Math.min(ratio, MOST) / MOST) * WIDTH);
  let y = 78;
  const top = y - 14;
  for (const name of new Set(report.rows.map((row) => row.case))) {
    const rows = report.rows.filter((row) => row.case === name);
    const base = reference(rows);
    const against = base?.peer === 'haproxy' || base === undefined ? '' : `  (1.0 = ${base.peer})`;
    parts.push(text(12, y, `${name}${against}`, 'font-weight="bold"'));
    parts.push(text(12 + 8 * (name.length + against.length) + 12, y, report.says[name] ?? '', 'fill="#64748b" font-size="11"'));
    y += 8;
    for (const row of rows) {
      const ratio = row === base ? 1 : (row.ratios[base?.peer ?? ''] ?? Number.NaN);
      const end = at(Number.isFinite(ratio) ? ratio : 0);
      const weight = row.peer.startsWith('fluxgate') ? 'font-weight="bold"' : '';
      parts.push(`<rect x="${LEFT}" y="${y}" width="${end - LEFT}" height="${BAR}" rx="2" fill="${colour(row.peer)}"/>`);
      parts.push(text(LEFT - 8, y + 12, row.peer, `text-anchor="end" ${weight}`));
      const label = `${number(ratio, 2)}${ratio > MOST ? ' →' : ''} · ${number(row.perCoreSecond)}/core-s · p99 ${number(row.p99Ms, 1)} ms`;
      parts.push(text(end + 6, y + 12, label, `class="label" ${weight}`));
      y += STEP;
    }
    y += 24;
  }
  const bottom = y - 24;
  const line = (ratio: number, dash: string, says: string): string =>
    `<line x1="${at(ratio)}" x2="${at(ratio)}" y1="${top}" y2="${bottom}" stroke="#dc2626" stroke-dasharray="${dash}" opacity="0.7"/>${text(at(ratio), top - 4, says, 'text-anchor="middle" fill="#dc2626" font-size="11"')}`;
  const lines = line(0.8, '4 3', '0.8') + line(1, 'none', '1.0');
  if (report.idle.length > 0) {
    const most = Math.max(...report.idle.map((one) => one.kibPerConnection), 20);
    parts.push(text(12, y, 'memory per idle connection, KiB', 'font-weight="bold"'));
    y += 8;
    for (const one of report.idle) {
      const width = Math.max(0, Math.round((one.kibPerConnection / most) * WIDTH * 0.6));
      parts.push(`<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" rx="2" fill="${colour(one.peer)}"/>`);
      parts.push(text(LEFT - 8, y + 12, one.peer, 'text-anchor="end"'));
      parts.push(
        text(LEFT + width + 6, y + 12, `${number(one.kibPerConnection, 1)} (${number(one.connections)} open)`, 'class="label"'),
      );
      y += STEP;
    }
    y += 16;
  }
  const head = [
    text(
      12,
      24,
      `${report.bench}: requests per second of processor time, as multiples of HAProxy`,
      'font-size="15" font-weight="bold"',
    ),
    text(
      12,
      42,
      `${report.takenAt.slice(0, 10)} · ${report.machine} · Node ${report.node} · ${report.rounds} × ${report.seconds} s, medians`,
      'fill="#64748b"',
    ),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 260}" height="${y}" font-family="system-ui, sans-serif" font-size="12"><style>.label{paint-order:stroke;stroke:#fff;stroke-width:3px}</style><rect width="100%" height="100%" fill="#fff"/>${head.join('')}${parts.filter((part) => part.startsWith('<rect')).join('')}${lines}${parts.filter((part) => !part.startsWith('<rect')).join('')}</svg>\n`;
}
