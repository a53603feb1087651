import { envText, type Host } from '../host.ts';
import type { Line, Tone } from '../outcome.ts';
import type { Settings } from '../settings.ts';
import { safe } from './safe.ts';

/** Colours and signs. chalk is imported only where colours will be seen. */
export interface Style {
  line(line: Line): string;
  title(text: string): string;
}

type Stream = Host['stdout'];

export function wantsColor(setting: Settings['color'], stream: Stream, host: Pick<Host, 'env'>): boolean {
  if (setting !== 'auto') return setting === 'always';
  if (envText(host, 'NO_COLOR') !== undefined) return false;
  const force = envText(host, 'FORCE_COLOR') ?? envText(host, 'CLICOLOR_FORCE');
  if (force !== undefined) return force !== '0' && force !== 'false';
  return stream.isTTY === true && host.env['TERM'] !== 'dumb';
}

/** A locale that is set and is not UTF-8 gets ASCII signs. */
export const speaksUtf8 = (host: Pick<Host, 'env'>): boolean => {
  const locale = envText(host, 'LC_ALL') ?? envText(host, 'LC_CTYPE') ?? envText(host, 'LANG');
  return locale === undefined || /utf-?8/i.test(locale);
};

const SIGNS: Readonly<Record<Tone, readonly [string, string]>> = {
  plain: ['', ''],
  dim: ['', ''],
  done: ['✓ ', 'ok: '],
  warn: ['! ', '! '],
  fail: ['✗ ', 'x '],
};

export const toAscii = (text: string): string =>
  text.replace(
    /[·–—…→✓✗“”‘’]/g,
    (char) => ({ '·': '-', '…': '...', '→': '->', '✓': 'ok', '✗': 'x', '“': '"', '”': '"', '‘': "'", '’': "'" })[char] ?? '-',
  );

export async function styleFor(stream: Stream, settings: Pick<Settings, 'color'>, host: Pick<Host, 'env'>): Promise<Style> {
  const utf8 = speaksUtf8(host);
  const spell = (text: string): string => (utf8 ? safe(text) : toAscii(safe(text)));
  const sign = (tone: Tone): string => SIGNS[tone][utf8 ? 0 : 1];
  if (!wantsColor(settings.color, stream, host)) return { line: ({ tone, text }) => sign(tone) + spell(text), title: spell };
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  const paint: Readonly<Record<Tone, (text: string) => string>> = {
    plain: (text) => text,
    dim: chalk.dim,
    done: chalk.green,
    warn: chalk.yellow,
    fail: chalk.red,
  };
  return {
    line: ({ tone, text }) => (tone === 'dim' ? chalk.dim(spell(text)) : paint[tone](sign(tone)) + spell(text)),
    title: (text) => chalk.bold(spell(text)),
  };
}
