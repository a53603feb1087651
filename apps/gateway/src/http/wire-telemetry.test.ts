import { afterEach, expect, test } from '@jest/globals';
import { say } from './testing/raw-client.ts';
import { answerOf, startTestWire, type TestOptions, type TestWire } from './testing/test-wire.ts';
import { isSampled, isTracestate, readTraceparent, sampleLimit } from './trace.ts';

let wire: TestWire;
afterEach(() => wire.stop());
const start = async (options: TestOptions = {}): Promise<TestWire> => {
  wire = await startTestWire(options);
  return wire;
};

const TRACE = 'a'.repeat(32);
const SPAN = 'b'.repeat(16);
const get = (headers = '', path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${headers}Connection: close\r\n\r\n`;

async function upstreamHead(headers: string): Promise<Map<string, string>> {
  await say(wire.port, get(headers));
  const lines = wire.backend.seen.at(-1)?.headers ?? [];
  return new Map(lines.map(([name, value]) => [name.toLowerCase(), value]));
}

test('the times of a request are of one monotonic clock and in their order', async () => {
  await start();
  await say(wire.port, get());
  const [one] = wire.records;
  const endedMs = one!.startedMs + one!.durationMs;
  expect(one!.handedMs).toBeGreaterThanOrEqual(one!.startedMs);
  expect(one!.firstByteMs).toBeGreaterThan(one!.handedMs);
  expect(one!.upstreamEndMs).toBeGreaterThanOrEqual(one!.firstByteMs);
  expect(endedMs).toBeGreaterThanOrEqual(one!.upstreamEndMs);
  expect(one!.durationMs % 1).not.toBe(0);
});

test('a request that never reached an upstream has no upstream times', async () => {
  await start();
  wire.decide = () => answerOf('no_route');
  await say(wire.port, get());
  expect(wire.records[0]).toMatchObject({ handedMs: 0, firstByteMs: 0, upstreamEndMs: 0, upstreamSpan: '', status: 404 });
  expect(wire.records[0]!.durationMs).toBeGreaterThan(0);
});

test('what is recorded names the span that the upstream was told, and the one the caller named', async () => {
  await start();
  const head = await upstreamHead(`traceparent: 00-${TRACE}-${SPAN}-01\r\n`);
  expect(head.get('traceparent')).toBe(`00-${TRACE}-${wire.records[0]!.upstreamSpan}-01`);
  expect(wire.records[0]!.facts).toMatchObject({ traceId: TRACE, parentSpan: SPAN, traceFlags: '01' });
});

test('of the traces that begin here a share is sampled; the mark of a caller is kept whatever the share is', async () => {
  await start({ traceRatio: 0 });
  expect((await upstreamHead('')).get('traceparent')).toMatch(/-00$/);
  expect((await upstreamHead(`traceparent: 00-${TRACE}-${SPAN}-01\r\n`)).get('traceparent')).toMatch(/-01$/);
  await wire.stop();
  await start({ traceRatio: 1 });
  expect((await upstreamHead('')).get('traceparent')).toMatch(/-01$/);
  expect((await upstreamHead(`traceparent: 00-${TRACE}-${SPAN}-00\r\n`)).get('traceparent')).toMatch(/-00$/);
});

test('a tracestate goes on as it came, all its fields, unless nobody can read it', async () => {
  await start();
  const parent = `traceparent: 00-${TRACE}-${SPAN}-01\r\n`;
  await say(wire.port, get(`${parent}tracestate: vendor=a:b;c\r\ntracestate: 1t@sys=9\r\n`));
  const sent = wire.backend.seen.at(-1)!.headers.filter(([name]) => name.toLowerCase() === 'tracestate');
  expect(sent.map(([, value]) => value)).toEqual(['vendor=a:b;c', '1t@sys=9']);
  for (const bad of [
    'nokey',
    'UPPER=1',
    'a=',
    `a=${'x'.repeat(257)}`,
    Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(','),
  ]) {
    const head = await upstreamHead(`${parent}tracestate: ${bad}\r\n`);
    expect([bad, head.get('tracestate'), head.get('traceparent')?.slice(3, 35)]).toEqual([bad, undefined, TRACE]);
  }
});

test('Server-Timing tells both parts where the route wants it, beside what the upstream says itself, and nothing elsewhere', async () => {
  await start({ route: { serverTiming: true } });
  const shown = (await say(wire.port, get())).text;
  expect(shown).toMatch(/\r\nServer-Timing: fluxgate;dur=\d+\.\d{3}, upstream;dur=\d+\.\d{3}\r\n/);
  wire.decide = (facts) => ({ ...answerOf('rate_limited'), route: wire.forward(facts).route });
  const refused = (await say(wire.port, get())).text;
  expect(refused).toMatch(/\r\nServer-Timing: fluxgate;dur=\d+\.\d{3}\r\n/);
  await wire.stop();
  await start();
  expect((await say(wire.port, get())).text).not.toContain('Server-Timing');
});

test('flags that nobody has defined are not passed on, and a later version is read as what is known of it', async () => {
  await start();
  expect(readTraceparent(`00-${TRACE}-${SPAN}-ff`)).toEqual({ traceId: TRACE, parentSpan: SPAN, flags: '03' });
  expect(readTraceparent(`01-${TRACE}-${SPAN}-05-more`)?.flags).toBe('01');
  expect([isTracestate('a=1, b=2 ,'), isTracestate(''), isTracestate('a=1,,b'), isTracestate('a=b=c')]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test('a ratio samples that share of random ids, and every node decides alike', async () => {
  await start();
  const ids = Array.from(
    { length: 4000 },
    (_, i) => TRACE.slice(8) + (Math.imul(i, 2654435761) >>> 0).toString(16).padStart(8, '0'),
  );
  const share = ids.filter((id) => isSampled(id, sampleLimit(0.25))).length / ids.length;
  expect(share).toBeGreaterThan(0.2);
  expect(share).toBeLessThan(0.3);
  expect([isSampled('f'.repeat(32), sampleLimit(1)), isSampled('0'.repeat(32), sampleLimit(0))]).toEqual([true, false]);
});
