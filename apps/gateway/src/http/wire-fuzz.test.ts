import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RawClient } from './testing/raw-client.ts';
import { startTestWire, type TestWire } from './testing/test-wire.ts';

/** Fixed seeds: a red run can be repeated. FLUXGATE_FUZZ_RUNS makes it longer. */
const SEEDS = [20_261_121, 7, 424_242];
const RUNS = Number(process.env['FLUXGATE_FUZZ_RUNS'] ?? 40);

let wire: TestWire;
beforeAll(async () => {
  wire = await startTestWire({ limits: { lingerMs: 20 } });
});
afterAll(() => wire.stop());

interface Outcome {
  readonly statuses: readonly number[];
  readonly closed: boolean;
  readonly upstream: readonly string[];
  readonly invalid: readonly string[];
  readonly records: number;
}

/** Sends the pieces as separate writes and waits for the close, which `END` asks for. */
async function outcome(pieces: readonly string[], withinMs = 3000): Promise<Outcome> {
  wire.backend.reset();
  wire.records.length = 0;
  const client = new RawClient(wire.port);
  for (const piece of pieces) {
    client.send(piece);
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await client.until((one) => one.ended, withinMs).catch(() => {});
  client.reset();
  // Nothing of this conversation may reach into the next one.
  for (let i = 0; i < 200 && wire.wire.stats().clients > 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  const { backend, records } = wire;
  return {
    statuses: client.statuses,
    closed: client.ended,
    upstream: backend.seen.map((one) => `${one.method} ${one.target} ${one.body}`),
    invalid: [...backend.invalid],
    records: records.filter((one) => one.upstreamTarget !== null).length,
  };
}

const END = 'GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

const chunkedBody = fc
  .array(fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', 'G', ' '), minLength: 1, maxLength: 12 }), { maxLength: 4 })
  .map((parts) => `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`);

const goodRequest = fc.oneof(
  fc.constantFrom('/a', '/b?c=d').map((target) => `GET ${target} HTTP/1.1\r\nHost: a\r\nX-Pad: p\r\n\r\n`),
  fc
    .string({ unit: fc.constantFrom('G', 'E', 'T', ' ', '/', '\r\n', '0'), maxLength: 30 })
    .map((body) => `POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
  chunkedBody.map((body) => `POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n${body}`),
);

test.each(SEEDS)('a request means the same wherever the network cuts it (seed %i)', async (seed) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(goodRequest, { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(400), { maxLength: 5 }),
      async (requests, cuts) => {
        const bytes = requests.join('') + END;
        const whole = await outcome([bytes]);
        expect(whole.statuses).toEqual([...requests.map(() => 200), 200]);
        const at = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
        const pieces = [0, ...at].map((from, i) => bytes.slice(from, at[i] ?? bytes.length)).filter((piece) => piece !== '');
        expect(await outcome(pieces)).toEqual(whole);
      },
    ),
    { seed, numRuns: RUNS, endOnFailure: true },
  );
});

const SAMPLES = [
  'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x="y"\r\nabc\r\n0\r\nT: 1\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc',
  '\r\nGET http://a/x HTTP/1.1\r\nHost: a\r\nConnection: x, keep-alive\r\nX: y\r\n\r\n',
  'POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n',
  'GET /bad HTTP/1.1\r\nHost: a\r\nA: b\n\r\n',
];

test.each(SAMPLES)(
  '%j has one outcome for every single cut',
  async (bytes) => {
    const whole = await outcome([bytes + END]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const parts = await outcome([bytes.slice(0, cut), bytes.slice(cut) + END]);
      // The early word about 100-continue depends on what is there already; final answers do not.
      expect({ cut, ...parts }).toEqual({ cut, ...whole });
    }
  },
  60_000,
);

/** Bytes that once decided framing somewhere, put where they do not belong. */
const MISCHIEF = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '"',
  '\x0b',
  '\x85',
  '\xa0',
  '0',
  '1',
  'chunked',
  'Content-Length: 1\r\n',
  'Transfer-Encoding: chunked\r\n',
  '\r\n\r\n',
  'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n',
];

test.each(SEEDS)(
  'however a request is bent, the upstream sees no more than was counted, and nothing malformed (seed %i)',
  async (seed) => {
    const bend = fc.tuple(fc.nat(300), fc.constantFrom(...MISCHIEF), fc.nat(3));
    await fc.assert(
      fc.asyncProperty(
        fc.array(goodRequest, { minLength: 1, maxLength: 2 }),
        fc.array(bend, { minLength: 1, maxLength: 3 }),
        async (requests, bends) => {
          let bytes = requests.join('');
          for (const [at, what, remove] of bends) {
            const place = at % (bytes.length + 1);
            bytes = bytes.slice(0, place) + what + bytes.slice(place + remove);
          }
          const seen = await outcome([bytes + END], 100);
          expect(seen.invalid).toEqual([]);
          expect(seen.upstream.length).toBeLessThanOrEqual(seen.records);
          expect(wire.faults).toEqual([]);
        },
      ),
      { seed, numRuns: RUNS * 3, endOnFailure: true },
    );
  },
  60_000,
);
