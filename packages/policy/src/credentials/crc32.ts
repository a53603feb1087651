/** CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320), as in zlib and gzip. Own table: this room imports nothing. */
export const CRC_TABLE: Int32Array = (() => {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    table[byte] = value;
  }
  return table;
})();

/** Of a latin1 text: each character is one byte. Unsigned. `crc32('123456789')` is 0xcbf43926. */
export function crc32(latin1: string): number {
  let crc = -1;
  for (let i = 0; i < latin1.length; i += 1) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ latin1.charCodeAt(i)) & 0xff] as number);
  }
  return (crc ^ -1) >>> 0;
}
