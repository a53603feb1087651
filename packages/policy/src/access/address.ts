/** Four unsigned 32-bit words of an IPv6 address, most significant first; IPv4 as ::ffff:a.b.c.d. */
export type Address = readonly [number, number, number, number];

export const MAPPED = 0xffff;

/** True for IPv4, mapped or written plainly: both are one address here. */
export function isV4(address: Address): boolean {
  return address[2] === MAPPED && address[1] === 0 && address[0] === 0;
}

/**
 * Four decimal parts without leading zeros, nothing else: `010.0.0.1`, `127.1` and `0x7f.0.0.1` mean different
 * hosts to different readers, so they mean none here. Returns -1 if `text[from..to)` is no such address.
 */
function parseV4(text: string, from: number, to: number): number {
  if (to - from < 7 || to - from > 15) return -1;
  let word = 0;
  let parts = 0;
  let value = 0;
  let digits = 0;
  for (let i = from; i <= to; i += 1) {
    const code = i === to ? 0x2e : text.charCodeAt(i);
    if (code === 0x2e) {
      if (digits === 0 || value > 255) return -1;
      word = word * 256 + value;
      parts += 1;
      value = 0;
      digits = 0;
    } else {
      if (code < 0x30 || code > 0x39) return -1;
      if (digits === 3 || (digits > 0 && value === 0)) return -1;
      value = value * 10 + (code - 0x30);
      digits += 1;
    }
  }
  return parts === 4 ? word : -1;
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  return -1;
}

/** RFC 4291 §2.2: eight groups, at most one `::`, an IPv4 tail allowed; no zone id, no brackets. */
function parseV6(text: string): Address | null {
  if (text.length > 45) return null;
  const groups: number[] = [];
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  } else if (text.charCodeAt(0) === 0x3a) return null;
  while (at < text.length) {
    let value = 0;
    let digits = 0;
    const start = at;
    while (at < text.length) {
      const hex = hexValue(text.charCodeAt(at));
      if (hex < 0) break;
      value = value * 16 + hex;
      digits += 1;
      if (digits > 4) return null;
      at += 1;
    }
    if (at < text.length && text.charCodeAt(at) === 0x2e) {
      const tail = parseV4(text, start, text.length);
      if (tail < 0 || groups.length > 6) return null;
      groups.push(Math.floor(tail / 65536), tail % 65536);
      at = text.length;
      break;
    }
    if (digits === 0) return null;
    groups.push(value);
    if (groups.length > 8) return null;
    if (at === text.length) break;
    if (text.charCodeAt(at) !== 0x3a) return null;
    at += 1;
    if (at === text.length) return null; // a single colon at the end
    if (text.charCodeAt(at) === 0x3a) {
      if (gap >= 0) return null;
      gap = groups.length;
      at += 1;
    }
  }
  if (gap < 0 ? groups.length !== 8 : groups.length > 7) return null;
  const full = new Array<number>(8).fill(0);
  const behind = gap < 0 ? 0 : groups.length - gap;
  for (let i = 0; i < groups.length - behind; i += 1) full[i] = groups[i] as number;
  for (let i = 0; i < behind; i += 1) full[8 - behind + i] = groups[gap + i] as number;
  const word = (i: number): number => (full[i] as number) * 65536 + (full[i + 1] as number);
  return [word(0), word(2), word(4), word(6)];
}

/** Strict: no octal, hex or short IPv4, no zone id, no port, no brackets, no blanks. null: not an address. */
export function parseAddress(text: string): Address | null {
  if (text.indexOf(':') >= 0) return parseV6(text);
  const word = parseV4(text, 0, text.length);
  return word < 0 ? null : [0, 0, MAPPED, word];
}

const dotted = (word: number): string => `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;

/** RFC 5952: lower case, longest run of two or more zero groups shortened; IPv4 (mapped or not) as four parts. */
export function formatAddress(address: Address): string {
  if (isV4(address)) return dotted(address[3]);
  const groups: number[] = [];
  for (const word of address) groups.push(word >>> 16, word & 0xffff);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i += 1) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length += 1;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
  }
  const hex = groups.map((one) => one.toString(16));
  if (best < 0) return hex.join(':');
  return `${hex.slice(0, best).join(':')}::${hex.slice(best + bestLength).join(':')}`;
}
