import type { Plain } from './schema.ts';

/**
 * Writes YAML as people write it: short lists and maps on one line, `[a, b]` and `{ a: b }`, text in quotes where a reader
 * could stumble. Every YAML reader, also one of version 1.1, reads the same values back.
 */

const LINE_CHARS = 110;

export function emitDocument(plain: ReadonlyMap<string, Plain>): string {
  return `${mapLines(plain, 0, true).join('\n')}\n`;
}

function mapLines(map: ReadonlyMap<string, Plain>, indent: number, isTop = false): string[] {
  const pad = ' '.repeat(indent);
  return [...map].flatMap(([key, value]) => {
    // Lists and maps one step below the top are what the file is about: they get lines of their own.
    const short = isTop && value instanceof Map && value.size > 0 ? null : oneLine(value, LINE_CHARS - indent - key.length);
    if (short !== null) return [`${pad}${scalar(key, true)}: ${short}`];
    return [
      `${pad}${scalar(key, true)}:`,
      ...(value instanceof Map ? mapLines(value, indent + 2) : listLines(value as readonly Plain[], indent + 2)),
    ];
  });
}

function listLines(list: readonly Plain[], indent: number): string[] {
  const pad = ' '.repeat(indent);
  return list.flatMap((item) => {
    if (item instanceof Map && item.size > 0) {
      const [first = '', ...rest] = mapLines(item, indent + 2);
      const short = item.size === 1 ? null : oneLine(item, LINE_CHARS - indent);
      return short === null ? [`${pad}- ${first.trimStart()}`, ...rest] : [`${pad}- ${short}`];
    }
    const short = oneLine(item, LINE_CHARS - indent);
    return short === null ? [`${pad}-`, ...listLines(item as readonly Plain[], indent + 2)] : [`${pad}- ${short}`];
  });
}

/** null: too long, or too deep to be read at a glance. */
function oneLine(plain: Plain, charsMax: number): string | null {
  if (!(plain instanceof Map) && !Array.isArray(plain)) return scalar(plain as string | number | boolean, false);
  const isDeep = depth(plain) > (Array.isArray(plain) ? 2 : 3);
  const text = isDeep ? null : flow(plain);
  return text === null || text.length > charsMax ? null : text;
}

const depth = (plain: Plain): number => {
  const inner = plain instanceof Map ? [...plain.values()] : Array.isArray(plain) ? plain : null;
  return inner === null ? 0 : 1 + Math.max(0, ...inner.map(depth));
};

function flow(plain: Plain): string {
  if (plain instanceof Map)
    return plain.size === 0 ? '{}' : `{ ${[...plain].map(([key, value]) => `${scalar(key, true)}: ${flow(value)}`).join(', ')} }`;
  if (Array.isArray(plain)) return `[${plain.map(flow).join(', ')}]`;
  return scalar(plain as string | number | boolean, true);
}

/** Words that some version of YAML reads as something else than text. */
const RESERVED = /^(null|true|false|yes|no|on|off|y|n|~)$/i;
const PLAIN_TEXT = /^[A-Za-z_/][A-Za-z0-9_./+*-]*$/;
/** `500/min`, `90d`: begins with a digit and yet is no number, date or time. */
const PLAIN_UNIT = /^\d+(\/\d*[a-z]+|(?!e)[a-z]{1,2})$/;
const PLAIN_URL = /^https?:\/\/[A-Za-z0-9_./:~%+=-]*[A-Za-z0-9_/]$/;

function scalar(value: string | number | boolean, isInside: boolean): string {
  if (typeof value !== 'string') return String(value);
  if (!RESERVED.test(value) && (PLAIN_TEXT.test(value) || PLAIN_UNIT.test(value))) return value;
  if (!isInside && PLAIN_URL.test(value)) return value;
  if (value.includes('"') && !/[\p{C}\p{Z}\\]/u.test(value.replaceAll(' ', ''))) return `'${value.replaceAll("'", "''")}'`;
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
