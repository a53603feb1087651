const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const NONE = 255;
/** Value of a digit by character code. */
const VALUE: Uint8Array = (() => {
  const table = new Uint8Array(128).fill(NONE);
  for (let value = 0; value < 64; value += 1) table[DIGITS.charCodeAt(value)] = value;
  return table;
})();

/** RFC 4648 §4 in its one canonical spelling: padded, no stray bits, no white space. null: anything else. */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0) return null;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < digits; i += 1) {
    const value = VALUE[text.charCodeAt(i)] ?? NONE;
    if (value === NONE) return null;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = (held >> bits) & 0xff;
      at += 1;
    }
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : null;
}

export function encodeBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const block = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += DIGITS.charAt(block >> 18) + DIGITS.charAt((block >> 12) & 63);
    text += left > 1 ? DIGITS.charAt((block >> 6) & 63) : '=';
    text += left > 2 ? DIGITS.charAt(block & 63) : '=';
  }
  return text;
}
