/** CRC-32C (Castagnoli), as PROXY protocol v2 uses it. */
const TABLE: Uint32Array = (() => {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n += 1) {
    let c = n;
    for (let k = 0; k < 8; k += 1) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    table[n] = c;
  }
  return table;
})();

/** Of `buf[from, to)`, with the four bytes at `hole` taken as zero. */
export function crc32c(buf: Uint8Array, from: number, to: number, hole: number): number {
  let c = 0xffffffff;
  for (let i = from; i < to; i += 1) {
    const byte = i >= hole && i < hole + 4 ? 0 : buf[i]!;
    c = TABLE[(c ^ byte) & 0xff]! ^ (c >>> 8);
  }
  return (c ^ 0xffffffff) >>> 0;
}
