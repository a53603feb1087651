import { formatAddress } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';
import { type ProxyMode, type ProxyReading, readProxyHeader } from './proxy-header.ts';
import { proxyV2, tlv } from './testing/proxy-v2.ts';

const read = (bytes: Buffer | string, mode: ProxyMode = 'any'): ProxyReading => {
  const buf = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  return readProxyHeader(buf, buf.length, mode);
};
const source = (reading: ProxyReading): string | null =>
  reading.kind === 'header' && reading.source !== null ? formatAddress(reading.source) : null;

test('a version 1 header gives the source, and its length ends where the client begins', () => {
  const header = 'PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n';
  expect(read(`${header}GET / HTTP/1.1\r\n`)).toMatchObject({ kind: 'header', length: header.length, vpcEndpoint: null });
  expect(source(read(header))).toBe('192.0.2.1');
  expect(source(read('PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n'))).toBe('2001:db8::1');
});

test.each(['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ffff:f::1 ffff::2 65535 65535\r\n'])(
  '%j speaks for the proxy itself',
  (header) => {
    expect(read(header)).toEqual({ kind: 'header', length: header.length, source: null, vpcEndpoint: null });
  },
);

test.each([
  'GET / HTTP/1.1\r\n\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n',
  'PROXY TCP4  192.0.2.1 198.51.100.1 56324 443\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n',
  'PROXY TCP4 192.0.2.256 198.51.100.1 1 443\r\n',
  'PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n',
  'PROXY TCP6 192.0.2.1 198.51.100.1 1 443\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.1 1 443 \r\n',
  'PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n',
  'PROXY UNKNOWN\tx\r\n',
  'proxy TCP4 192.0.2.1 198.51.100.1 1 443\r\n',
  `PROXY UNKNOWN ${'x'.repeat(107)}`,
])('%j is refused', (header) => {
  expect(read(header)).toMatchObject({ kind: 'bad', why: expect.any(String) });
});

test('a version 2 header gives the source over IPv4 and IPv6', () => {
  expect(source(read(proxyV2({ source: '192.0.2.1' })))).toBe('192.0.2.1');
  expect(source(read(proxyV2({ source: '2001:db8::1' })))).toBe('2001:db8::1');
});

test('the VPC endpoint id of AWS is a fact, and a malformed or doubled one refuses the connection', () => {
  const aws = (id: string) => tlv(0xea, Buffer.from(`\x01${id}`, 'latin1'));
  const id = 'vpce-08d2bf15fac5001c9';
  expect(read(proxyV2({ source: '192.0.2.1', tlvs: [tlv(0x04, Buffer.alloc(3)), aws(id)] }))).toMatchObject({ vpcEndpoint: id });
  expect(read(proxyV2({ source: '192.0.2.1', tlvs: [tlv(0xea, Buffer.from('\x02other'))] }))).toMatchObject({
    vpcEndpoint: null,
  });
  for (const tlvs of [[aws('vpce-1')], [aws(`${id}\0`)], [aws(id), aws(id)]])
    expect(read(proxyV2({ source: '192.0.2.1', tlvs })).kind).toBe('bad');
});

test('the checksum of RFC 3720 is known, and a header with a wrong one is refused', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9, 100)).toBe(0xe3069283);
  expect(read(proxyV2({ source: '192.0.2.1', checksum: 'right' })).kind).toBe('header');
  expect(read(proxyV2({ source: '192.0.2.1', checksum: 'wrong' }))).toEqual({ kind: 'bad', why: 'a wrong checksum' });
});

test('a health check of the balancer (LOCAL) leaves the peer as it is, whatever it brings along', () => {
  expect(read(proxyV2({ source: '192.0.2.1', command: 0x20, tlvs: [Buffer.from([1])] }))).toMatchObject({
    kind: 'header',
    source: null,
  });
});

test('a version 2 header with another version, command, family, or with a length that lies is refused', () => {
  expect(read(proxyV2({ source: '192.0.2.1', command: 0x11 })).kind).toBe('bad');
  expect(read(proxyV2({ source: '192.0.2.1', command: 0x22 })).kind).toBe('bad');
  expect(read(proxyV2({ source: '192.0.2.1', family: 0x12 })).kind).toBe('bad');
  expect(read(proxyV2({ source: '192.0.2.1', family: 0x31 })).kind).toBe('bad');
  expect(read(proxyV2({ source: '192.0.2.1', family: 0x21 })).kind).toBe('bad');
  expect(read(proxyV2({ source: '192.0.2.1', tlvs: [Buffer.from([4, 0])] })).kind).toBe('bad');
  expect(read(proxyV2({ source: '192.0.2.1', tlvs: [Buffer.from([4, 0, 9, 1])] })).kind).toBe('bad');
  expect(read(proxyV2({ source: '192.0.2.1', tlvs: [tlv(4, Buffer.alloc(4100))] })).kind).toBe('bad');
});

test('a listener that expects one version takes no other', () => {
  expect(read(proxyV2({ source: '192.0.2.1' }), 'v1').kind).toBe('bad');
  expect(read('PROXY UNKNOWN\r\n', 'v2').kind).toBe('bad');
});

const valid = fc.constantFrom(
  Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n'),
  Buffer.from('PROXY UNKNOWN\r\n'),
  proxyV2({ source: '2001:db8::1', checksum: 'right', tlvs: [tlv(0xea, Buffer.from('\x01vpce-08d2bf15fac5001c9'))] }),
);

test('a header cut anywhere asks for more, and the rest of it brings the same answer', () => {
  fc.assert(
    fc.property(valid, fc.nat({ max: 120 }), fc.uint8Array({ maxLength: 20 }), (header, cut, rest) => {
      const whole = Buffer.concat([header, rest]);
      const reading = read(whole);
      expect(reading).toMatchObject({ kind: 'header', length: header.length });
      if (cut < header.length) expect(read(whole.subarray(0, cut)).kind).toBe('more');
    }),
  );
});

test('whatever bytes come, the reader answers, never reads past them, and waits for no more than its bound', () => {
  const mangled = fc
    .tuple(valid, fc.array(fc.tuple(fc.nat({ max: 100 }), fc.nat({ max: 255 })), { maxLength: 4 }))
    .map(([bytes, edits]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(
      fc.oneof(
        mangled,
        fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one)),
      ),
      (bytes) => {
        const reading = read(bytes);
        if (reading.kind === 'header') expect(reading.length).toBeLessThanOrEqual(bytes.length);
        const padded = Buffer.concat([bytes, Buffer.alloc(5000, 0x20)]);
        expect(read(padded).kind).not.toBe('more');
      },
    ),
    { numRuns: 2000 },
  );
});
