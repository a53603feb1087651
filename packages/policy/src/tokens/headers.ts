import { type JsonObject, valueAt } from './members.ts';

/** A value that would take more room in a header than upstreams have is left out. */
const HEADER_CHARS_MAX = 4096;
const PLAIN = /^(?:[\x21-\x24\x26-\x7e]+(?: [\x21-\x24\x26-\x7e]+)*)?$/;

/**
 * A text as a header value: visible ASCII and single blanks as they are, anything else (control characters, line ends, blanks at an end,
 * `%` itself) percent-encoded as UTF-8. Two different texts never become one value, and no value can end its header.
 */
export function headerValue(text: string): string {
  if (PLAIN.test(text)) return text;
  return encodeURIComponent(text.toWellFormed()).replace(/(?<!^|%20)%20(?!%20|$)/g, ' ');
}

/** Claims as headers: texts, numbers, true/false, and lists of these with commas between. Objects and what is missing send nothing. */
export function claimHeaders(claims: JsonObject, headers: readonly (readonly [claim: string, header: string])[]): string[] {
  const flat: string[] = [];
  for (const [claim, header] of headers) {
    const value = claimText(valueAt(claims, claim));
    if (value !== null && value.length <= HEADER_CHARS_MAX) flat.push(header, value);
  }
  return flat;
}

function claimText(value: unknown): string | null {
  if (!Array.isArray(value)) return scalarText(value);
  const parts: string[] = [];
  for (const one of value) {
    const text = scalarText(one);
    // A comma inside an element must not read as two elements.
    if (text !== null) parts.push(text.replaceAll(',', '%2C'));
  }
  return parts.length === 0 ? null : parts.join(',');
}

function scalarText(value: unknown): string | null {
  if (typeof value === 'string') return value.isWellFormed() ? headerValue(value) : null;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}
