import { scrub } from './scrub.ts';

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** JSON text in ASCII alone, so that a character is a byte wherever it is written to. */
export const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A JSON string in ASCII. Most texts need no escapes, and finding that out is cheaper than `JSON.stringify`. */
export const jsonString = (text: string): string => (PLAIN.test(text) ? `"${text}"` : asciiJson(text));

const KNOWN_MAX = 4096;
const known = new Map<string, string>();

/** The same, scrubbed, for texts that come again and again: hosts, routes, clients, names. At most so many are remembered. */
export function jsonName(text: string): string {
  const found = known.get(text);
  if (found !== undefined) return found;
  const json = jsonString(scrub(text));
  if (text.length > 256) return json;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(text, json);
  return json;
}

export const jsonNameOrNull = (text: string | null): string => (text === null || text === '' ? 'null' : jsonName(text));

/** Milliseconds as a JSON number, to the microsecond; the digits that `JSON.stringify` would write, without making a double of them. */
export function jsonMs(ms: number): string {
  const us = Math.round(ms * 1000);
  const whole = Math.trunc(us / 1000);
  const rest = us - whole * 1000;
  if (rest <= 0) return rest === 0 ? `${whole}` : JSON.stringify(us / 1000);
  if (rest % 100 === 0) return `${whole}.${rest / 100}`;
  if (rest % 10 === 0) return rest < 100 ? `${whole}.0${rest / 10}` : `${whole}.${rest / 10}`;
  return rest < 10 ? `${whole}.00${rest}` : rest < 100 ? `${whole}.0${rest}` : `${whole}.${rest}`;
}
