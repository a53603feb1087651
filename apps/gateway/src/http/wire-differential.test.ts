import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RawClient } from './testing/raw-client.ts';
import { startTestWire, type TestWire } from './testing/test-wire.ts';

/** A second opinion: Node's own parser (llhttp) as the upstream. What it reads must be what the gateway believed it had sent. */
const SEEDS = [1, 9112, 20_261_121];
const RUNS = Number(process.env['FLUXGATE_FUZZ_RUNS'] ?? 120);

interface Read {
  readonly method: string;
  readonly url: string;
  readonly host: string;
  readonly body: string;
}

let wire: TestWire;
let server: http.Server;
const read: Read[] = [];
const refusedByPeer: string[] = [];

beforeAll(async () => {
  server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      read.push({ method: request.method!, url: request.url!, host: request.headers.host ?? '', body });
      response.end('ok');
    });
    request.on('error', () => {});
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A request that the gateway breaks off on purpose is an abrupt end, not a malformed message; and llhttp knows a list of
    // methods where the grammar knows tokens.
    if (error.code?.startsWith('HPE_') && error.code !== 'HPE_INVALID_EOF_STATE' && error.code !== 'HPE_INVALID_METHOD')
      refusedByPeer.push(`${error.code} ${error.message}`);
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  wire = await startTestWire({ upstream: { targets: [{ url, weight: 1 }] }, limits: { lingerMs: 20 } });
});
afterAll(async () => {
  await wire.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const name = fc.constantFrom(
  'Host',
  'host',
  'Content-Length',
  'content-length',
  'Transfer-Encoding',
  'transfer-encoding',
  'Connection',
  'Expect',
  'X-A',
  'Upgrade',
  'TE',
  'Trailer',
  'Keep-Alive',
);
const value = fc.constantFrom(
  'a',
  '0',
  '3',
  '03',
  '+3',
  '3, 3',
  '',
  ' chunked',
  'chunked',
  'Chunked ',
  'gzip, chunked',
  'chunked, chunked',
  'identity',
  'close',
  'keep-alive',
  'content-length',
  '100-continue',
  'h2c',
  'b\x00',
  'x\ty',
  '\xff',
);
const end = fc.constantFrom('\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\n ', '\r\r\n');
const separator = fc.constantFrom(':', ': ', ':\t', ' : ', ':  ');
const line = fc.tuple(name, separator, value, end).map((parts) => parts.join(''));
const requestLine = fc.constantFrom(
  'GET / HTTP/1.1\r\n',
  'POST /p HTTP/1.1\r\n',
  'PUT /q?r HTTP/1.1\r\n',
  'POST / HTTP/1.0\r\n',
  'OPTIONS * HTTP/1.1\r\n',
  'GET http://a/ HTTP/1.1\r\n',
  'GET  / HTTP/1.1\r\n',
  'POST /p HTTP/1.1\n',
  'DELETE /%2e%2e/x HTTP/1.1\r\n',
);
const body = fc.constantFrom(
  '',
  'abc',
  '3\r\nabc\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '3\nabc\n0\n\n',
  '3;x\r\nabc\r\n0\r\nX: y\r\n\r\n',
  'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n',
);
const request = fc
  .tuple(requestLine, fc.array(line, { maxLength: 4 }), fc.boolean(), body)
  .map(([start, lines, host, rest]) => `${start}${host ? 'Host: a\r\n' : ''}${lines.join('')}\r\n${rest}`);

test.each(SEEDS)(
  'llhttp reads exactly the requests that were forwarded, however they were asked for (seed %i)',
  async (seed) => {
    let forwardedInAll = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), async (requests) => {
        read.length = 0;
        refusedByPeer.length = 0;
        wire.records.length = 0;
        const client = new RawClient(wire.port).send(requests.join(''));
        await client.until((one) => one.ended, 25).catch(() => {});
        client.reset();
        for (let i = 0; i < 200 && wire.wire.stats().clients > 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
        const forwarded = wire.records.filter((one) => one.upstreamTarget !== null);
        const whole = forwarded.filter((one) => one.fault === null && one.status === 200);
        forwardedInAll += whole.length;
        expect(refusedByPeer).toEqual([]);
        expect(wire.faults).toEqual([]);
        expect(read.length).toBeLessThanOrEqual(forwarded.length);
        expect(read.length).toBeGreaterThanOrEqual(whole.length);
        whole.forEach((one, i) => {
          const { method, path, query } = one.facts!;
          expect(`${read[i]!.method} ${read[i]!.url}`).toBe(`${method} ${query === '' ? path : `${path}?${query}`}`);
        });
      }),
      { seed, numRuns: RUNS, endOnFailure: true },
    );
    // Generators that only ever make refused requests would prove nothing.
    expect(forwardedInAll).toBeGreaterThan(RUNS / 20);
  },
  60_000,
);
