/**
 * A kid is 12 base62 characters: 72 bits. It is kept exactly, as two 36-bit halves in three words, without BigInt on the way.
 */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const VALUE = new Uint8Array(128).fill(255);
for (let i = 0; i < DIGITS.length; i++) VALUE[DIGITS.charCodeAt(i)] = i;

const CUBE = 62 * 62 * 62;
const WORD = 0x1_0000_0000;

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 128 ? VALUE[code]! : 255;
}

/** Three digits, or a number ≥ 62³ if one is no digit. */
function triple(text: string, at: number): number {
  const a = digit(text, at);
  const b = digit(text, at + 1);
  const c = digit(text, at + 2);
  return a > 61 || b > 61 || c > 61 ? CUBE : (a * 62 + b) * 62 + c;
}

/** Scratch: the last kid that was packed. */
export class KidWords {
  /** Low words of the second and of the first half. */
  low = 0;
  high = 0;
  /** The 4 + 4 bits left over. */
  top = 0;
  hash = 0;

  /** false: not a kid. */
  pack(kid: string): boolean {
    if (kid.length !== 12) return false;
    const a = triple(kid, 0);
    const b = triple(kid, 3);
    const c = triple(kid, 6);
    const d = triple(kid, 9);
    if (a >= CUBE || b >= CUBE || c >= CUBE || d >= CUBE) return false;
    const first = a * CUBE + b;
    const second = c * CUBE + d;
    this.low = second | 0;
    this.high = first | 0;
    this.top = (Math.floor(second / WORD) | (Math.floor(first / WORD) << 4)) & 0xff;
    this.hash = hashKid(this.low, this.high, this.top);
    return true;
  }
}

/** Top bits choose the home slot, the low byte is the tag. */
export function hashKid(low: number, high: number, top: number): number {
  let h = Math.imul(low ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ high, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 13) ^ top, 0x27d4eb2f);
  return h ^ (h >>> 16);
}

export function unpackKid(low: number, high: number, top: number): string {
  return half((high >>> 0) + (top >>> 4) * WORD) + half((low >>> 0) + (top & 15) * WORD);
}

function half(value: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < 6; i++) {
    text = DIGITS[rest % 62]! + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
