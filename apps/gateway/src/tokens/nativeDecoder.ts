import { isAscii, isUtf8 } from 'node:buffer';
import type { JwsDecoder } from '@fluxgate/policy';

/** The decoder of `policy/tokens` by Node's own means. Node reads leniently: what it would write differently was not canonical. */
export const nativeDecoder: JwsDecoder = {
  bytes: decode,
  text(text, from, to) {
    const bytes = decode(text, from, to);
    if (bytes === null) return null;
    if (isAscii(bytes)) return bytes.toString('latin1');
    return isUtf8(bytes) ? bytes.toString('utf8') : null;
  },
};

function decode(text: string, from: number, to: number): Buffer | null {
  const part = text.slice(from, to);
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : null;
}
