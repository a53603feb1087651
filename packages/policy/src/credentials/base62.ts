/** Base62 with the digits 0-9A-Za-z, most significant first, fixed width: every credential of a kind has one length. */
export const BASE62_DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * `bytes` as a big-endian integer in exactly `width` digits. Digits beyond `width` are cut off at the top, so a width
 * that is too small yields the number modulo 62^width (used for the 12-digit kid: 128 random bits in, bias below 2^-56).
 */
export function encodeBase62(bytes: Uint8Array, width: number): string {
  // Long division of the byte string by 62, one digit per round; 32 bytes, at minting time only.
  const rest = Uint8Array.from(bytes);
  let digits = '';
  for (let at = 0; at < width; at += 1) {
    let remainder = 0;
    for (let i = 0; i < rest.length; i += 1) {
      const value = remainder * 256 + (rest[i] as number);
      rest[i] = Math.floor(value / 62);
      remainder = value % 62;
    }
    digits = BASE62_DIGITS.charAt(remainder) + digits;
  }
  return digits;
}

/** A number below 2^32 in six digits (62^6 > 2^32): the check digits of a credential. */
export function encodeChecksum(crc: number): string {
  let rest = crc >>> 0;
  let digits = '';
  for (let at = 0; at < 6; at += 1) {
    digits = BASE62_DIGITS.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
