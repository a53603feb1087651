/** Messages up to this size leave as one string; larger ones as one buffer. */
const STRING_BYTES_MAX = 16_384;

/** One message, one write: text, the bytes `buf[from, to)`, text. A latin1 string while it is small, else one buffer of our own. */
export function joined(before: string, buf: Buffer, from: number, to: number, after: string): string | Buffer {
  if (to === from) return before + after;
  const total = before.length + to - from + after.length;
  if (total <= STRING_BYTES_MAX) return before + buf.toString('latin1', from, to) + after;
  const message = Buffer.allocUnsafe(total);
  message.write(before, 0, 'latin1');
  buf.copy(message, before.length, from, to);
  if (after !== '') message.write(after, total - after.length, 'latin1');
  return message;
}
