import { parseAddress } from '@fluxgate/policy';
import { crc32c } from '../crc32c.ts';

/** Headers of PROXY protocol v2 for tests, right and wrong. */
export interface ProxyV2 {
  readonly source: string;
  readonly command?: number;
  readonly family?: number;
  readonly tlvs?: readonly Buffer[];
  readonly checksum?: 'right' | 'wrong';
}

export function tlv(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(3);
  head[0] = type;
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, value]);
}

export function proxyV2({ source, command = 0x21, family, tlvs = [], checksum }: ProxyV2): Buffer {
  const address = parseAddress(source);
  if (address === null) throw new Error(`no address: ${source}`);
  const v4 = !source.includes(':');
  const addresses = Buffer.alloc(v4 ? 12 : 36);
  if (v4) addresses.writeUInt32BE(address[3]);
  else address.forEach((word, i) => void addresses.writeUInt32BE(word, i * 4));
  const sum = checksum === undefined ? [] : [tlv(0x03, Buffer.alloc(4))];
  const body = Buffer.concat([addresses, ...sum, ...tlvs]);
  const fixed = Buffer.alloc(16);
  fixed.write('\r\n\r\n\0\r\nQUIT\n', 'latin1');
  fixed[12] = command;
  fixed[13] = family ?? (v4 ? 0x11 : 0x21);
  fixed.writeUInt16BE(body.length, 14);
  const whole = Buffer.concat([fixed, body]);
  if (checksum !== undefined) {
    const at = 16 + addresses.length + 3;
    whole.writeUInt32BE((crc32c(whole, 0, whole.length, at) ^ (checksum === 'right' ? 0 : 1)) >>> 0, at);
  }
  return whole;
}
