import { type Address, formatAddress, isV4, parseAddress } from './address.ts';

/** A block of addresses. `prefix` counts bits of the 128-bit form: 10.0.0.0/8 is 104. */
export interface Cidr {
  readonly base: Address;
  readonly prefix: number;
  readonly family: 4 | 6;
}

interface Reading {
  readonly cidr: Cidr | null;
  readonly problem: string | null;
}

const MASK: readonly number[] = Array.from({ length: 33 }, (_, bits) => (bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0));

function masked(address: Address, prefix: number): Address {
  const word = (i: number): number => {
    const bits = Math.min(32, Math.max(0, prefix - 32 * i));
    return ((address[i] as number) & (MASK[bits] as number)) >>> 0;
  };
  return [word(0), word(1), word(2), word(3)];
}

const same = (a: Address, b: Address): boolean => a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];

function read(text: string): Reading {
  const slash = text.indexOf('/');
  const host = slash < 0 ? text : text.substring(0, slash);
  const address = parseAddress(host);
  if (address === null) {
    if (host.includes('%')) return { cidr: null, problem: 'zone ids (%eth0) mean nothing to other hosts; leave it out' };
    if (/^[0-9.]+$/.test(host))
      return { cidr: null, problem: `"${host}" is not four decimal numbers from 0 to 255 without leading zeros` };
    return { cidr: null, problem: `"${host}" is neither an IPv4 nor an IPv6 address` };
  }
  const v4 = isV4(address);
  const mappedText = v4 && host.includes(':');
  if (slash < 0) return { cidr: { base: address, prefix: 128, family: v4 ? 4 : 6 }, problem: null };
  const length = text.substring(slash + 1);
  const bits = /^(0|[1-9][0-9]{0,2})$/.test(length) ? Number(length) : -1;
  const limit = v4 && !mappedText ? 32 : 128;
  if (bits < 0 || bits > limit) return { cidr: null, problem: `"/${length}" is not a prefix length from 0 to ${limit}` };
  const prefix = limit === 32 ? bits + 96 : bits;
  const base = masked(address, prefix);
  if (!same(base, address)) {
    const shown = limit === 32 ? formatAddress([0, 0, 0xffff, base[3]]) : mappedText && prefix < 96 ? '::' : formatAddress(base);
    const width = mappedText && prefix >= 96 ? prefix - 96 : bits;
    return {
      cidr: null,
      problem: `"${text}" has bits set behind its prefix: write ${shown}/${width} for the network, or ${host} for that one host`,
    };
  }
  return { cidr: { base, prefix, family: v4 && prefix >= 96 ? 4 : 6 }, problem: null };
}

/** `10.0.4.0/24`, `2001:db8::/32`; a bare address is one host. null: see `cidrProblem`. */
export function parseCidr(text: string): Cidr | null {
  return read(text).cidr;
}

/** Why `text` is no CIDR and what to write instead; null if it is one. */
export function cidrProblem(text: string): string | null {
  return read(text).problem;
}

export function formatCidr(cidr: Cidr): string {
  const bits = cidr.family === 4 ? cidr.prefix - 96 : cidr.prefix;
  return `${formatAddress(cidr.base)}/${bits}`;
}

export interface CidrSet {
  /** No allocation, O(log n). IPv4 and IPv6 do not cross: ::/0 holds no IPv4 address. */
  has(address: Address): boolean;
  /** Number of distinct ranges after merging. */
  readonly size: number;
}

/** Sorted, merged ranges of one family: `words` numbers per bound. */
interface Ranges {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly count: number;
}

const topOf = (cidr: Cidr): Address => {
  const word = (i: number): number => {
    const bits = Math.min(32, Math.max(0, cidr.prefix - 32 * i));
    return ((cidr.base[i] as number) | ~(MASK[bits] as number)) >>> 0;
  };
  return [word(0), word(1), word(2), word(3)];
};

function order(a: Address, b: Address): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3];
}

function rangesOf(cidrs: readonly Cidr[]): Ranges {
  const sorted = cidrs
    .map((one) => ({ low: one.base, high: topOf(one) }))
    .sort((a, b) => order(a.low, b.low) || order(b.high, a.high));
  const kept: { low: Address; high: Address }[] = [];
  for (const range of sorted) {
    const last = kept.at(-1);
    // CIDR blocks either nest or are apart, so a range that starts inside the last one is contained in it.
    if (last === undefined || order(range.low, last.high) > 0) kept.push(range);
  }
  return {
    low: Float64Array.from(kept.flatMap((one) => [...one.low])),
    high: Float64Array.from(kept.flatMap((one) => [...one.high])),
    count: kept.length,
  };
}

function compareAt(words: Float64Array, index: number, address: Address): number {
  const at = index * 4;
  for (let i = 0; i < 4; i += 1) {
    const difference = (address[i] as number) - (words[at + i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function within(ranges: Ranges, address: Address): boolean {
  let left = 0;
  let right = ranges.count - 1;
  while (left <= right) {
    const middle = (left + right) >>> 1;
    if (compareAt(ranges.low, middle, address) < 0) right = middle - 1;
    else if (compareAt(ranges.high, middle, address) > 0) left = middle + 1;
    else return true;
  }
  return false;
}

/** Texts or parsed blocks. A text that is no CIDR throws: the configuration was judged before, so it is a fault. */
export function compileCidrs(list: readonly (string | Cidr)[]): CidrSet {
  const cidrs = list.map((one) => {
    if (typeof one !== 'string') return one;
    const { cidr, problem } = read(one);
    if (cidr === null) throw new RangeError(problem ?? 'not a CIDR');
    return cidr;
  });
  const four = rangesOf(cidrs.filter((one) => one.family === 4));
  const six = rangesOf(cidrs.filter((one) => one.family === 6));
  return Object.freeze({
    size: four.count + six.count,
    has: (address: Address): boolean => within(isV4(address) ? four : six, address),
  });
}
