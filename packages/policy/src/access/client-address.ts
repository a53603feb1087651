import { type Address, parseAddress } from './address.ts';
import type { CidrSet } from './cidr.ts';

const blank = (code: number): boolean => code === 0x20 || code === 0x09;

/**
 * Who sent the request: the peer, unless it is a trusted proxy; then the nearest address of X-Forwarded-For, read from the
 * right, that is no trusted proxy. An element that is no address ends the walk at the last trusted hop: what stands left
 * of it was not written by anyone we trust.
 */
export function clientAddress(peer: Address, xff: readonly string[], trusted: CidrSet): Address {
  if (trusted.size === 0 || !trusted.has(peer)) return peer;
  let client = peer;
  for (let line = xff.length - 1; line >= 0; line -= 1) {
    const text = xff[line] as string;
    let end = text.length;
    while (end >= 0) {
      const comma = end === 0 ? -1 : text.lastIndexOf(',', end - 1);
      let from = comma + 1;
      let to = end;
      while (from < to && blank(text.charCodeAt(from))) from += 1;
      while (to > from && blank(text.charCodeAt(to - 1))) to -= 1;
      const hop = parseAddress(text.substring(from, to));
      if (hop === null) return client;
      client = hop;
      if (!trusted.has(hop)) return client;
      end = comma;
    }
  }
  return client;
}
