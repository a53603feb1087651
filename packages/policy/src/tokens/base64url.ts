/** RFC 4648 §5 without padding, canonical only (RFC 7515 §2): every byte string has exactly one spelling here. */

/** By UTF-16 unit, so that no look-up needs a bounds check; 0xff outside the alphabet. */
const VALUES = new Uint8Array(65_536).fill(0xff);
for (const [i, char] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries())
  VALUES[char.charCodeAt(0)] = i;

/** Bytes of `text[from, to)`; null: a character outside the alphabet, padding, an impossible length, or bits that nobody reads. */
export function decodeBase64url(text: string, from = 0, to: number = text.length): Uint8Array | null {
  const tail = (to - from) & 3;
  if (tail === 1) return null;
  const bytes = new Uint8Array(((to - from) >> 2) * 3 + (tail === 0 ? 0 : tail - 1));
  const whole = to - tail;
  let at = 0;
  let i = from;
  /** Collects the high bits of everything that was read: a value of the alphabet has none. */
  let seen = 0;
  for (; i < whole; i += 4) {
    const a = VALUES[text.charCodeAt(i)] as number;
    const b = VALUES[text.charCodeAt(i + 1)] as number;
    const c = VALUES[text.charCodeAt(i + 2)] as number;
    const d = VALUES[text.charCodeAt(i + 3)] as number;
    seen |= a | b | c | d;
    bytes[at] = (a << 2) | (b >> 4);
    bytes[at + 1] = (b << 4) | (c >> 2);
    bytes[at + 2] = (c << 6) | d;
    at += 3;
  }
  if (tail > 0) {
    const a = VALUES[text.charCodeAt(i)] as number;
    const b = VALUES[text.charCodeAt(i + 1)] as number;
    const c = tail === 3 ? (VALUES[text.charCodeAt(i + 2)] as number) : 0;
    seen |= a | b | c;
    if ((tail === 2 ? b & 0xf : c & 0x3) !== 0) return null;
    bytes[at] = (a << 2) | (b >> 4);
    if (tail === 3) bytes[at + 1] = (b << 4) | (c >> 2);
  }
  return (seen & 0xc0) === 0 ? bytes : null;
}

/** Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. null: it is something else. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  let text = '';
  let i = 0;
  for (; i < bytes.length; i += RUN) {
    const run = bytes.subarray(i, i + RUN);
    if (!isAscii(run)) break;
    text += String.fromCharCode.apply(null, run as unknown as number[]);
  }
  while (i < bytes.length) {
    const lead = bytes[i] as number;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      i += 1;
      continue;
    }
    const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || i + more >= bytes.length) return null;
    let point = lead & (0x3f >> more);
    for (let k = 1; k <= more; k += 1) {
      const byte = bytes[i + k] as number;
      if ((byte & 0xc0) !== 0x80) return null;
      point = (point << 6) | (byte & 0x3f);
    }
    if (
      (more === 2 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff))) ||
      (more === 3 && (point < 0x10000 || point > 0x10ffff))
    )
      return null;
    text += String.fromCodePoint(point);
    i += more + 1;
  }
  return text;
}

/** Bytes that are turned into text at a time: as arguments of one call. */
const RUN = 2048;

function isAscii(bytes: Uint8Array): boolean {
  let seen = 0;
  for (let i = 0; i < bytes.length; i += 1) seen |= bytes[i] as number;
  return seen < 0x80;
}
