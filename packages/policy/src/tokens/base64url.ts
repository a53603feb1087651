/** RFC 4648 §5 without padding, canonical only (RFC 7515 §2): every byte string has exactly one spelling here. */

const VALUES = new Int8Array(128).fill(-1);
for (const [i, char] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries())
  VALUES[char.charCodeAt(0)] = i;

/** Bytes of `text[from, to)`; null: a character outside the alphabet, padding, an impossible length, or bits that nobody reads. */
export function decodeBase64url(text: string, from = 0, to: number = text.length): Uint8Array | null {
  const chars = to - from;
  const tail = chars & 3;
  if (tail === 1) return null;
  const bytes = new Uint8Array((chars >> 2) * 3 + (tail === 0 ? 0 : tail - 1));
  const whole = to - tail;
  let at = 0;
  let i = from;
  for (; i < whole; i += 4) {
    const group = (valueAt(text, i) << 18) | (valueAt(text, i + 1) << 12) | (valueAt(text, i + 2) << 6) | valueAt(text, i + 3);
    if (group < 0) return null;
    bytes[at] = group >> 16;
    bytes[at + 1] = (group >> 8) & 0xff;
    bytes[at + 2] = group & 0xff;
    at += 3;
  }
  if (tail === 2) {
    const group = (valueAt(text, i) << 6) | valueAt(text, i + 1);
    if (group < 0 || (group & 0xf) !== 0) return null;
    bytes[at] = group >> 4;
  } else if (tail === 3) {
    const group = (valueAt(text, i) << 12) | (valueAt(text, i + 1) << 6) | valueAt(text, i + 2);
    if (group < 0 || (group & 0x3) !== 0) return null;
    bytes[at] = group >> 10;
    bytes[at + 1] = (group >> 2) & 0xff;
  }
  return bytes;
}

/** −1 outside the alphabet, which makes any group that holds it negative. */
function valueAt(text: string, i: number): number {
  const code = text.charCodeAt(i);
  return code < 128 ? (VALUES[code] as number) : -1;
}

/** Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. null: it is something else. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  let text = '';
  let i = 0;
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
