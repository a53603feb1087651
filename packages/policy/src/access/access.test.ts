import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Address, formatAddress, isV4, parseAddress } from './address.ts';
import { cidrProblem, compileCidrs, formatCidr, parseCidr } from './cidr.ts';
import { clientAddress } from './client-address.ts';
import { isScope, missingScope } from './scopes.ts';

const at = (text: string): Address => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
};
const word = fc.integer({ min: 0, max: 0xffffffff });

test.each([
  ['10.0.4.7', '10.0.4.7'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['::ffff:10.0.4.7', '10.0.4.7'],
  ['::FFFF:0a00:0407', '10.0.4.7'],
  ['0:0:0:0:0:ffff:10.0.4.7', '10.0.4.7'],
  ['1:2:3:4:5:6:10.0.4.7', '1:2:3:4:5:6:a00:407'],
  ['0001:0002:0003:0004:0005:0006:0007:0008', '1:2:3:4:5:6:7:8'],
])('%s is the address %s', (text, canonical) => {
  expect(formatAddress(at(text))).toBe(canonical);
});

test.each([
  '',
  ' ',
  '.',
  ':',
  '1',
  '1.2',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '1.2.3.-4',
  '01.2.3.4',
  '1.2.3.04',
  '010.0.0.1',
  '00.0.0.0',
  '1.2.3.4 ',
  ' 1.2.3.4',
  '1.2.3.4\n',
  '1..3.4',
  '.1.2.3',
  '1.2.3.',
  '0x7f.0.0.1',
  '127.1',
  '2130706433',
  '1.2.3.4/32',
  '1.2.3.4:80',
  '１.2.3.4',
  '1.2.3.4%eth0',
  '999999999999.1.1.1',
  ':::',
  '::1::',
  '1::2::3',
  ':1',
  '1:',
  '1:2',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '::1:2:3:4:5:6:7:8',
  'g::',
  '12345::',
  '[::1]',
  '::1%lo',
  '::1 ',
  '::ffff:1.2.3',
  '::ffff:1.2.3.256',
  '::ffff:01.2.3.4',
  '::1.2.3.4:5',
  '1.2.3.4::',
  '1:2:3:4:5:6:7:1.2.3.4',
  '::1:2:3:4:5:6:1.2.3.4:',
  '::-1',
  '::1/128',
])('%j is no address', (text) => {
  expect(parseAddress(text)).toBeNull();
});

test('every address survives being written and read', () => {
  fc.assert(
    fc.property(fc.tuple(word, word, word, word), (address) => {
      expect(parseAddress(formatAddress(address))).toEqual(address);
    }),
  );
  fc.assert(
    fc.property(word, (low) => {
      const address: Address = [0, 0, 0xffff, low];
      expect(isV4(address)).toBe(true);
      expect(parseAddress(formatAddress(address))).toEqual(address);
      expect(parseAddress(`::ffff:${formatAddress(address)}`)).toEqual(address);
    }),
  );
});

test('no text makes the address parser throw, and what it takes it writes back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,40}$/)), (text) => {
      const address = parseAddress(text);
      if (address !== null) expect(parseAddress(formatAddress(address))).toEqual(address);
      cidrProblem(text);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['10.0.4.0/24', '10.0.4.0/24'],
  ['10.0.4.7', '10.0.4.7/32'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['::/0', '::/0'],
  ['::1', '::1/128'],
  ['2001:DB8::/32', '2001:db8::/32'],
  ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
  ['::ffff:0:0/96', '0.0.0.0/0'],
])('%s is the block %s', (text, canonical) => {
  const cidr = parseCidr(text);
  expect(cidr === null ? null : formatCidr(cidr)).toBe(canonical);
  expect(cidrProblem(text)).toBeNull();
});

test.each([
  ['10.0.4.7/24', 'write 10.0.4.0/24'],
  ['2001:db8::1/32', 'write 2001:db8::/32'],
  ['::ffff:10.0.0.1/104', 'write 10.0.0.0/8'],
  ['10.0.4.0/33', 'from 0 to 32'],
  ['::/129', 'from 0 to 128'],
  ['10.0.4.0/', 'from 0 to 32'],
  ['10.0.4.0/024', 'from 0 to 32'],
  ['10.0.4.0/-1', 'from 0 to 32'],
  ['10.0.4.0/255.255.255.0', 'from 0 to 32'],
  ['10.0.4.0/24/24', 'from 0 to 32'],
  ['10.0.4/24', 'four decimal numbers'],
  ['010.0.4.0/24', 'four decimal numbers'],
  ['fe80::%eth0/64', 'zone ids'],
  ['intranet', 'neither an IPv4 nor an IPv6'],
])('%s is refused and told what to write', (text, hint) => {
  expect(parseCidr(text)).toBeNull();
  expect(cidrProblem(text)).toContain(hint);
});

const holds = (cidrs: string[], address: string): boolean => compileCidrs(cidrs).has(at(address));

test('a block holds exactly its own addresses, at both edges', () => {
  expect(holds(['10.0.4.0/24'], '10.0.4.0')).toBe(true);
  expect(holds(['10.0.4.0/24'], '10.0.4.255')).toBe(true);
  expect(holds(['10.0.4.0/24'], '10.0.5.0')).toBe(false);
  expect(holds(['10.0.4.0/24'], '10.0.3.255')).toBe(false);
  expect(holds(['128.0.0.0/1'], '127.255.255.255')).toBe(false);
  expect(holds(['128.0.0.0/1'], '255.255.255.255')).toBe(true);
  expect(holds(['10.0.4.7/32'], '10.0.4.7')).toBe(true);
  expect(holds(['10.0.4.7/32'], '10.0.4.6')).toBe(false);
  expect(holds(['2001:db8::/33'], '2001:db8:7fff:ffff:ffff:ffff:ffff:ffff')).toBe(true);
  expect(holds(['2001:db8::/33'], '2001:db8:8000::')).toBe(false);
  expect(holds(['2001:db8::1/128'], '2001:db8::2')).toBe(false);
});

test('IPv4 and IPv6 do not cross, and a mapped address is the IPv4 address it maps', () => {
  expect(holds(['0.0.0.0/0'], '::1')).toBe(false);
  expect(holds(['::/0'], '127.0.0.1')).toBe(false);
  expect(holds(['::/0'], '::1')).toBe(true);
  expect(holds(['::/0'], '::ffff:127.0.0.1')).toBe(false);
  expect(holds(['10.0.0.0/8'], '::ffff:10.9.9.9')).toBe(true);
  expect(holds(['::ffff:10.0.0.0/104'], '10.9.9.9')).toBe(true);
  expect(holds(['10.0.0.0/8'], '64:ff9b::10.9.9.9')).toBe(false);
});

test('an empty set holds nobody', () => {
  expect(compileCidrs([]).size).toBe(0);
  expect(holds([], '127.0.0.1')).toBe(false);
});

test('blocks that lie in each other are merged', () => {
  expect(compileCidrs(['10.0.0.0/8', '10.0.4.0/24', '10.0.0.0/16', '10.0.0.0/8', '11.0.0.0/8']).size).toBe(2);
});

test('what is no block makes a fault, never an open list', () => {
  expect(() => compileCidrs(['10.0.4.7/24'])).toThrow(RangeError);
});

test('a set agrees with asking every block one by one', () => {
  const block = fc.oneof(
    fc.tuple(word, fc.integer({ min: 0, max: 32 })).map(([low, bits]) => {
      const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
      return `${formatAddress([0, 0, 0xffff, (low & mask) >>> 0])}/${bits}`;
    }),
    fc.tuple(fc.constantFrom(0x20010db8, 0x20010db9, 0xfe800000), fc.constantFrom(32, 16, 31, 64)).map(([top, bits]) => {
      const first = bits === 16 ? (top & 0xffff0000) >>> 0 : bits === 31 ? (top & ~1) >>> 0 : top;
      return `${formatAddress([first, 0, 0, 0])}/${bits}`;
    }),
  );
  const address: fc.Arbitrary<Address> = fc.oneof(
    word.map((low): Address => [0, 0, 0xffff, low]),
    fc.tuple(fc.constantFrom(0x20010db8, 0x20010db9, 0xfe800000, 0), fc.constantFrom(0, 1, 0xffffffff), word, word),
  );
  // The reference works on whole numbers, not on words.
  const big = (a: Address): bigint => a.reduce((sum, each) => (sum << 32n) | BigInt(each), 0n);
  fc.assert(
    fc.property(fc.array(block, { maxLength: 20 }), address, (blocks, asked) => {
      const expected = blocks.some((text) => {
        const [base, bits] = text.split('/') as [string, string];
        const from = at(base);
        if (isV4(from) !== isV4(asked)) return false;
        const shift = BigInt(128 - (Number(bits) + (isV4(from) ? 96 : 0)));
        return big(from) >> shift === big(asked) >> shift;
      });
      expect(compileCidrs(blocks).has(asked)).toBe(expected);
    }),
    { numRuns: 1000 },
  );
});

const client = (peer: string, xff: string[], trusted: string[]): string =>
  formatAddress(clientAddress(at(peer), xff, compileCidrs(trusted)));
const proxies = ['10.0.0.0/8', '::1/128'];

test('nobody is believed unless listed', () => {
  expect(client('198.51.100.9', ['203.0.113.1'], [])).toBe('198.51.100.9');
  expect(client('198.51.100.9', ['203.0.113.1'], proxies)).toBe('198.51.100.9');
});

test('the client is the nearest address that is no trusted proxy', () => {
  expect(client('10.0.0.1', ['203.0.113.1'], proxies)).toBe('203.0.113.1');
  expect(client('10.0.0.1', ['6.6.6.6, 203.0.113.1, 10.0.0.2'], proxies)).toBe('203.0.113.1');
  expect(client('10.0.0.1', ['6.6.6.6, 203.0.113.1', '10.0.0.3,\t10.0.0.2'], proxies)).toBe('203.0.113.1');
  expect(client('::1', ['2001:db8::9'], proxies)).toBe('2001:db8::9');
  expect(client('10.0.0.1', ['::ffff:10.0.0.7, ::ffff:10.0.0.2'], proxies)).toBe('10.0.0.7');
});

test('if all of the chain is trusted, the client is its far end', () => {
  expect(client('10.0.0.1', ['10.0.0.3, 10.0.0.2'], proxies)).toBe('10.0.0.3');
  expect(client('10.0.0.1', [], proxies)).toBe('10.0.0.1');
});

test.each([
  ['6.6.6.6, unknown'],
  ['6.6.6.6, '],
  ['6.6.6.6,'],
  [''],
  ['6.6.6.6, 203.0.113.1:443'],
  ['6.6.6.6, "203.0.113.1"'],
  ['6.6.6.6, [::1]'],
  ['6.6.6.6, 0x0a.0.0.2'],
  ['6.6.6.6 10.0.0.2'],
])('in %j the walk stops at the last trusted hop', (line) => {
  expect(client('10.0.0.1', [line], proxies)).toBe('10.0.0.1');
  expect(client('10.0.0.1', [`${line}, 10.0.0.2`], proxies)).toBe('10.0.0.2');
});

test('a client cannot choose its address by writing to the left', () => {
  fc.assert(
    fc.property(fc.string(), (forged) => {
      expect(client('10.0.0.1', [forged, '203.0.113.1'], proxies)).toBe('203.0.113.1');
      expect(client('10.0.0.1', [`${forged},203.0.113.1`], proxies)).toBe('203.0.113.1');
    }),
  );
});

test('scopes are compared whole', () => {
  expect(missingScope([], [])).toBeNull();
  expect(missingScope(['read:metrics'], ['read:metrics', 'x'])).toBeNull();
  expect(missingScope(['read:metrics', 'write:metrics'], ['read:metrics'])).toBe('write:metrics');
  expect(missingScope(['read:metrics'], ['read:', 'read:*', 'READ:METRICS', 'read:metricss'])).toBe('read:metrics');
});

test('a scope is a token of RFC 6749', () => {
  for (const good of ['read:metrics', 'a', '!', '~', 'x'.repeat(128)]) expect(isScope(good)).toBe(true);
  for (const bad of ['', 'a b', 'a"b', 'a\\b', 'é', 'a\n', 'x'.repeat(129)]) expect(isScope(bad)).toBe(false);
});
