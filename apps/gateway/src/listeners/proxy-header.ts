import { type Address, parseAddress } from '@fluxgate/policy';
import { crc32c } from './crc32c.ts';

/**
 * PROXY protocol v1 and v2 (haproxy.org, doc/proxy-protocol.txt, 2020), strictly: a header that could be read in two ways is refused.
 * Only peers that the realm trusts may speak it; see `proxy-door.ts`.
 */

export type ProxyMode = 'v1' | 'v2' | 'any';

export type ProxyReading =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad'; readonly why: string }
  | {
      readonly kind: 'header';
      /** Bytes of the header; what follows is the client's. */
      readonly length: number;
      /** null: the proxy speaks for itself (LOCAL, UNKNOWN), the peer is the source. */
      readonly source: Address | null;
      /** AWS VPC endpoint id (TLV 0xEA, subtype 1). */
      readonly vpcEndpoint: string | null;
    };

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V1_BYTES_MAX = 107;
const V2_FIXED = 16;
/** The format allows 64 KiB; what load balancers send is some hundred bytes. */
const V2_BYTES_MAX = 4096;
const TCP4 = 0x11;
const TCP6 = 0x21;
const TLV_CRC32C = 0x03;
const TLV_AWS = 0xea;
const AWS_VPC_ENDPOINT = 0x01;

const MORE: ProxyReading = { kind: 'more' };
const bad = (why: string): ProxyReading => ({ kind: 'bad', why });

/** Reads the header at the start of `buf[0, length)`. Called again with more bytes after `more`. */
export function readProxyHeader(buf: Buffer, length: number, mode: ProxyMode): ProxyReading {
  if (length === 0) return MORE;
  if (buf[0] === SIGNATURE[0]) return mode === 'v1' ? bad('version 2 where version 1 is expected') : readV2(buf, length);
  return mode === 'v2' ? bad('no version 2 header') : readV1(buf, length);
}

function readV1(buf: Buffer, length: number): ProxyReading {
  const end = Math.min(length, V1_BYTES_MAX);
  const start = 'PROXY ';
  for (let i = 0; i < Math.min(end, start.length); i += 1)
    if (buf[i] !== start.charCodeAt(i)) return bad('the connection does not begin with a PROXY header');
  const at = buf.subarray(0, end).indexOf(0x0a);
  if (at < 0) return length >= V1_BYTES_MAX ? bad('a version 1 header without an end') : MORE;
  if (at < 1 || buf[at - 1] !== 0x0d) return bad('a version 1 header ends in CR LF');
  const line = buf.toString('latin1', 0, at - 1);
  const found = (source: Address | null): ProxyReading => ({ kind: 'header', length: at + 1, source, vpcEndpoint: null });
  if (line === 'PROXY UNKNOWN' || /^PROXY UNKNOWN [\x21-\x7e ]*$/.test(line)) return found(null);
  const parts = /^PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})$/.exec(line);
  if (parts === null) return bad('a malformed version 1 header');
  const [, family, from = '', to = '', fromPort, toPort] = parts;
  const source = addressOf(family === 'TCP4', from);
  if (source === null || addressOf(family === 'TCP4', to) === null) return bad('a version 1 header with a malformed address');
  if (Number(fromPort) > 65_535 || Number(toPort) > 65_535) return bad('a version 1 header with a malformed port');
  return found(source);
}

const addressOf = (v4: boolean, text: string): Address | null => (text.includes(':') === v4 ? null : parseAddress(text));

function readV2(buf: Buffer, length: number): ProxyReading {
  const seen = Math.min(length, SIGNATURE.length);
  if (buf.compare(SIGNATURE, 0, seen, 0, seen) !== 0) return bad('a malformed version 2 signature');
  if (length < V2_FIXED) return MORE;
  const command = buf[12]!;
  if (command >> 4 !== 2) return bad('an unknown version');
  if ((command & 0x0f) > 1) return bad('an unknown command');
  const total = V2_FIXED + buf.readUInt16BE(14);
  if (total > V2_BYTES_MAX) return bad(`a header of ${total} bytes`);
  if (length < total) return MORE;
  const isLocal = (command & 0x0f) === 0;
  const family = buf[13]!;
  const addressBytes = family === TCP4 ? 12 : family === TCP6 ? 36 : 0;
  // A health check of the balancer itself: whatever addresses it brings mean nothing.
  if (isLocal) return { kind: 'header', length: total, source: null, vpcEndpoint: null };
  if (family !== 0 && addressBytes === 0) return bad(`address family and transport 0x${family.toString(16)} are not TCP`);
  if (total < V2_FIXED + addressBytes) return bad('a header too short for its addresses');
  const tlvs = family === 0 ? { ok: true as const, vpcEndpoint: null } : readTlvs(buf, V2_FIXED + addressBytes, total);
  if (!tlvs.ok) return bad(tlvs.why);
  return { kind: 'header', length: total, source: readSource(buf, family), vpcEndpoint: tlvs.vpcEndpoint };
}

function readSource(buf: Buffer, family: number): Address | null {
  if (family === TCP4) return [0, 0, 0xffff, buf.readUInt32BE(V2_FIXED)];
  if (family !== TCP6) return null;
  const at = V2_FIXED;
  return [buf.readUInt32BE(at), buf.readUInt32BE(at + 4), buf.readUInt32BE(at + 8), buf.readUInt32BE(at + 12)];
}

type Tlvs = { readonly ok: true; readonly vpcEndpoint: string | null } | { readonly ok: false; readonly why: string };

/** Type, length, value up to the very end; anything left over is a lie about the length. */
function readTlvs(buf: Buffer, from: number, end: number): Tlvs {
  let vpcEndpoint: string | null = null;
  let at = from;
  while (at < end) {
    if (end - at < 3) return { ok: false, why: 'a cut TLV' };
    const type = buf[at]!;
    const value = at + 3;
    const next = value + buf.readUInt16BE(at + 1);
    if (next > end) return { ok: false, why: 'a TLV longer than its header' };
    if (type === TLV_CRC32C) {
      if (next - value !== 4) return { ok: false, why: 'a malformed checksum' };
      if (buf.readUInt32BE(value) !== crc32c(buf, 0, end, value)) return { ok: false, why: 'a wrong checksum' };
    } else if (type === TLV_AWS && next > value && buf[value] === AWS_VPC_ENDPOINT) {
      const id = buf.toString('latin1', value + 1, next);
      if (!/^vpce-[0-9a-f]{8,32}$/.test(id)) return { ok: false, why: 'a malformed VPC endpoint id' };
      if (vpcEndpoint !== null) return { ok: false, why: 'two VPC endpoint ids' };
      vpcEndpoint = id;
    }
    at = next;
  }
  return { ok: true, vpcEndpoint };
}
