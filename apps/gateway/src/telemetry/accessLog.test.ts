import { expect, test } from '@jest/globals';
import { testKey } from '../pipeline/fakes.ts';
import { createLog } from '../status/log.ts';
import { accessLine, Timestamps } from './accessLine.ts';
import { parseAccessPolicy, parseRatio } from './accessPolicy.ts';
import { jsonMs } from './json.ts';
import { Outbox } from './outbox.ts';
import { recorded, refusal } from './recordedFake.ts';
import { type Parcels, REFUSALS_PER_SECOND, Recorder, type RecorderParts } from './recorder.ts';
import { scrub } from './scrub.ts';
import { spansOf } from './spans.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 0, 7);
const TIME = new Timestamps().text(NOW_MS);
const fieldsOf = (line: string) => (JSON.parse(line) as { access: Record<string, unknown> }).access;
const TOKEN = `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.${'s'.repeat(60)}`;

function recorderOf(over: Partial<RecorderParts> = {}) {
  const sent: Parcels[] = [];
  let ids = 0;
  const recorder = new Recorder({
    access: { mode: 'all', oneIn: 1 },
    spans: false,
    spanId: () => (++ids).toString(16).padStart(16, '0'),
    wallMs: () => NOW_MS,
    send: (parcels) => sent.push(parcels),
    ...over,
  });
  const linesOf = () => sent.reduce((sum, one) => sum + (one.lines?.count ?? 0), 0);
  const droppedOf = () => sent.reduce((sum, one) => sum + one.droppedLines, 0);
  return { recorder, sent, linesOf, droppedOf };
}

test('a line is what pino would have written for the same fields', () => {
  const line = accessLine(recorded(), TIME, 'a'.repeat(16));
  const lines: string[] = [];
  createLog(
    'info',
    (text) => lines.push(text),
    () => NOW_MS,
  ).info({ access: fieldsOf(line) }, 'request');
  expect(line).toBe(lines[0]);
});

test('a line says who asked for what, what became of it and how long each part took', () => {
  expect(fieldsOf(accessLine(recorded({ decision: null }), TIME, 'a'.repeat(16)))).toEqual({
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    span: 'a'.repeat(16),
    client: expect.any(String),
    method: 'GET',
    host: expect.any(String),
    path: '/v1/things',
    route: null,
    status: 200,
    code: null,
    principal: null,
    kid: null,
    upstream: '10.0.0.7:9000',
    duration_ms: 10,
    upstream_first_byte_ms: 6.75,
    bytes_in: 120,
    bytes_out: 345,
  });
});

test('a refusal says why, and who it was where that was proven', () => {
  const decision = refusal({ code: 'key_revoked', because: 'revoked', principal: 'billing', kid: '7Kq2mXcT9aLb' });
  expect(fieldsOf(accessLine(recorded({ decision, handedMs: 0, firstByteMs: 0, status: 401 }), TIME, ''))).toMatchObject({
    code: 'key_revoked',
    because: 'revoked',
    principal: 'billing',
    kid: '7Kq2mXcT9aLb',
    upstream_first_byte_ms: null,
    span: null,
  });
});

test('what nobody could read is logged with its client and the trace id of the answer', () => {
  const line = accessLine(recorded({ facts: null, clientText: '192.0.2.1', traceId: 'c'.repeat(32), status: 400 }), TIME, '');
  expect(fieldsOf(line)).toMatchObject({ client: '192.0.2.1', trace_id: 'c'.repeat(32), method: null, path: null });
});

test('lines and spans are ASCII, whatever names and paths are, and mean the same', () => {
  const principal = 'Zoë 東京 😀\u007f';
  const decision = refusal({ principal, because: 'naïve' });
  const line = accessLine(recorded({ decision }, { path: '/é' }), TIME, '');
  expect(line).toMatch(/^[\x20-\x7e]*\n$/);
  expect(fieldsOf(line)).toMatchObject({ principal, because: 'naïve', path: '/é' });
  const spans = spansOf(recorded({ decision }, { path: '/é' }), recorded({}, { path: '/é' }).facts!, 'a'.repeat(16));
  expect(spans).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.stringify(JSON.parse(`[${spans}]`))).toContain(principal);
});

test('no text of a client can break a line or hide in it', () => {
  const path = `/"},"level":"fatal"\\\u0000\n\u2028\ud800${'x'.repeat(5000)}`;
  const line = accessLine(recorded({ fault: 'a\nb' }, { path, method: 'G"ET', host: 'h"\n' }), TIME, '');
  expect(line.split('\n')).toHaveLength(2);
  expect(fieldsOf(line)['path']).toHaveLength(2049);
  expect(fieldsOf(line)).toMatchObject({ method: 'G"ET', host: 'h"\n', fault: 'a\nb' });
});

test('keys, cut keys and tokens are taken out of every text, wherever they begin; the public part of a key stays', () => {
  const key = testKey('victim');
  const long = `/${'x'.repeat(2040)}/${key.text}`; // the bound on paths falls into the key
  for (const path of [
    `/a/${key.text}/b`,
    `/x${key.text}y`,
    `/${key.text.slice(0, 40)}`,
    `/${key.text}_${'F'.repeat(43)}`,
    long,
  ]) {
    const line = accessLine(
      recorded(
        { decision: refusal({ because: `bad ${key.text}` }), fault: key.text },
        { path, method: key.text, host: key.text },
      ),
      TIME,
      '',
    );
    for (let from = 0; from + 12 <= key.secret.length; from++) expect(line).not.toContain(key.secret.slice(from, from + 12));
    expect(line).toContain(key.kid);
  }
  for (const text of [TOKEN, `Bearer ${TOKEN}`, `/t/${TOKEN}/x`, 'eyJhbGciOiJub25lIn0.eyJhIjoxfQ.'])
    expect(scrub(text)).not.toMatch(/eyJ[\w-]/);
  expect(scrub('/figures/of/fgk_and/nothing-else')).toBe('/figures/of/fgk_and/nothing-else');
});

test('the setting is read to the letter', () => {
  expect(parseAccessPolicy('sampled:1/100')).toEqual({ mode: 'sampled', oneIn: 100 });
  for (const bad of ['sampled', 'sampled:1/0', 'sampled:2/3', 'ALL', ''])
    expect([bad, parseAccessPolicy(bad)]).toEqual([bad, null]);
  expect([parseRatio('0'), parseRatio('1'), parseRatio('0.25'), parseRatio('1/4')]).toEqual([0, 1, 0.25, 0.25]);
  for (const bad of ['2', '-1', '1.5', '1/0', 'x', '1e-3', '']) expect([bad, parseRatio(bad)]).toEqual([bad, null]);
});

test('sampled means every N-th request, whatever trace ids clients choose', () => {
  const { recorder, linesOf } = recorderOf({ access: { mode: 'sampled', oneIn: 10 } });
  for (let i = 0; i < 95; i++) recorder.record(recorded());
  recorder.flush();
  expect(linesOf()).toBe(9);
});

test('a flood of refusals is a bounded number of lines, and what is left out is counted', () => {
  const { recorder, linesOf, droppedOf } = recorderOf({ access: { mode: 'refusals', oneIn: 1 } });
  for (let i = 0; i < 200; i++) recorder.record(recorded({ decision: refusal() }));
  recorder.record(recorded());
  recorder.flush();
  expect([linesOf(), droppedOf()]).toEqual([REFUSALS_PER_SECOND, 200 - REFUSALS_PER_SECOND]);
  recorder.newSecond();
  recorder.record(recorded({ fault: 'the client went away' }));
  recorder.record(recorded({ fault: 'the client closed', status: 101 }));
  recorder.flush();
  expect(linesOf()).toBe(REFUSALS_PER_SECOND + 1);
});

test('off means nothing: no line, no span, no message', () => {
  const { recorder, sent } = recorderOf({ access: { mode: 'off', oneIn: 1 } });
  recorder.record(recorded({ decision: refusal() }));
  recorder.flush();
  expect(sent).toEqual([]);
});

test('a main thread that takes nothing costs bounded memory: lines are dropped and counted, and flow again when it is back', () => {
  const { recorder, sent, linesOf, droppedOf } = recorderOf();
  const path = `/${'x'.repeat(2000)}`;
  for (let i = 0; i < 4000; i++) recorder.record(recorded({}, { path }));
  recorder.flush();
  const bytes = sent.reduce((sum, one) => sum + (one.lines?.bytes.length ?? 0), 0);
  expect(bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
  expect(droppedOf()).toBeGreaterThan(0);
  expect(linesOf() + droppedOf()).toBe(4000);
  recorder.confirm(bytes, 0);
  recorder.record(recorded());
  recorder.flush();
  expect(sent.at(-1)!.lines?.count).toBe(1);
});

test('the span of a traced request stands in its line; without export it is the one the upstream was told', () => {
  const { recorder, sent } = recorderOf({ spans: true });
  recorder.record(recorded());
  recorder.record(recorded({}, { traceFlags: '00' }));
  recorder.flush();
  const [traced, plain] = Buffer.from(sent[0]!.lines!.bytes).toString('utf8').trim().split('\n').map(fieldsOf);
  expect([traced!['span'], plain!['span']]).toEqual(['0000000000000001', 'b7ad6b7169203331']);
  expect(sent[0]!.spans!.count).toBe(2);
});

test('a queue never holds more than its bound, and gives room back only for what was confirmed', () => {
  const box = new Outbox(10);
  expect([box.offer('12345'), box.offer('12345'), box.offer('1')]).toEqual([true, true, false]);
  expect(box.take()).toEqual({ bytes: new Uint8Array(Buffer.from('1234512345')), count: 2 });
  expect([box.offer('1'), box.takeDropped(), box.takeDropped()]).toEqual([false, 2, 0]);
  box.confirm(10);
  expect(box.offer('1')).toBe(true);
});

test('milliseconds are written as JSON would, to the microsecond', () => {
  for (const ms of [0, 1, 10, 0.001, 0.01, 0.1, 1.5, 12.034, 12.34, 999.9994, 999.9996, 7_200_000.123, 1e-9, -0.5])
    expect([ms, jsonMs(ms)]).toEqual([ms, JSON.stringify(Math.round(ms * 1000) / 1000)]);
  for (let i = 0; i < 5000; i++) expect(jsonMs(i / 1000 + 3)).toBe(JSON.stringify(Math.round(i + 3000) / 1000));
});
