import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, formatQuota, formatRate, parseDuration, parseQuota, parseRate } from './units.ts';

test.each([
  ['7776000s', 7_776_000_000],
  ['90d', 7_776_000_000],
  ['5m', 300_000],
  ['24h', 86_400_000],
  ['12w', 7_257_600_000],
  ['6mo', 15_552_000_000],
  ['500ms', 500],
  ['0s', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ok: true, value: ms });
});

test.each([
  ['60', 'write 60s'],
  ['1h30m', 'write 90m'],
  ['1.5h', 'write 90m'],
  ['5M', '5mo for months'],
  ['24H', 'write 24h'],
  ['1y', 'write 365d'],
  ['5min', 'write 5m'],
  ['90 days', 'write 90d'],
  ['-5m', 'such as 60s'],
  ['', 'such as 60s'],
  ['5 m', 'such as 60s'],
  ['5m ', 'such as 60s'],
  ['soon', 'such as 60s'],
  ['1e3s', 'such as 60s'],
  ['05m', 'write 5m'],
  ['007', 'write 7s'],
  ['999999999d', 'shorter'],
])('duration %j is refused and told what to write', (text, remedy) => {
  const result = parseDuration(text);
  expect(result.ok).toBe(false);
  expect(result.ok ? '' : result.remedy).toContain(remedy);
  expect(result.ok ? '' : result.why).not.toBe('');
});

test('durations are written in the largest unit that divides them, and read back exactly', () => {
  expect(formatDuration(7_776_000_000)).toBe('90d');
  expect(formatDuration(90_000)).toBe('90s');
  expect(formatDuration(1500)).toBe('1500ms');
  expect(formatDuration(0)).toBe('0s');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3_000_000_000_000 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms });
    }),
  );
});

test.each([
  ['500/min', 500, 60_000],
  ['100/s', 100, 1000],
  ['5000/h', 5000, 3_600_000],
  ['50000/d', 50_000, 86_400_000],
  ['5/10s', 5, 10_000],
])('%s is %d per %d ms', (text, limit, perMs) => {
  expect(parseRate(text)).toEqual({ ok: true, value: { limit, perMs } });
});

test.each([
  ['500/m', '500/min'],
  ['500/5m', '500/min'],
  ['500/minute', 'write 500/min'],
  ['500 req/min', 'write 500/min'],
  ['500 per minute', 'write 500/min'],
  ['5/sec', 'write 5/s'],
  ['5/hour', 'write 5/h'],
  ['5/mo', 'quota of 5/mo'],
  ['500', '500/min'],
  ['0/s', 'at least 1'],
  ['-1/s', 'such as 100/s'],
  ['1.5/s', 'such as 100/s'],
  ['100/0s', 'such as 100/s'],
  ['unlimited', 'such as 100/s'],
  ['', 'such as 100/s'],
  ['1/999d', 'quota'],
])('rate %j is refused and told what to write', (text, remedy) => {
  const result = parseRate(text);
  expect(result.ok ? 'taken' : result.remedy).toContain(remedy);
});

test('rates are written as they are read', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 ** 9 }),
      fc.constantFrom('s', 'min', 'h', 'd', '10s', '5min', '2h', '3d', '1500ms', 'ms'),
      (limit, unit) => {
        const text = `${limit}/${unit}`;
        const result = parseRate(text);
        expect(result.ok && formatRate(result.value)).toBe(text);
      },
    ),
  );
});

test.each([
  ['50000/d', 50_000, 'day'],
  ['1000/h', 1000, 'hour'],
  ['2000000/mo', 2_000_000, 'month'],
])('%s is a quota of %d in each %s', (text, limit, window) => {
  expect(parseQuota(text)).toEqual({ ok: true, value: { limit, window, zone: 'UTC' } });
  const result = parseQuota(text);
  expect(result.ok && formatQuota(result.value)).toBe(text);
});

test('unlimited is no quota', () => {
  expect(parseQuota('unlimited')).toEqual({ ok: true, value: null });
  expect(formatQuota(null)).toBe('unlimited');
});

test('the zone of a quota is shown unless it is UTC', () => {
  expect(formatQuota({ limit: 5, window: 'day', zone: 'Europe/Berlin' })).toBe('5/d (Europe/Berlin)');
});

test.each([
  ['100/s', 'use a tier or rate_limit with 100/s'],
  ['500/min', 'use a tier or rate_limit with 500/min'],
  ['500/m', '500/mo for a month'],
  ['50000/day', 'write 50000/d'],
  ['50000 per day', 'write 50000/d'],
  ['5/month', 'write 5/mo'],
  ['5/D', 'write 5/d'],
  ['5/w', '/d or /mo'],
  ['50000', 'write 50000/d'],
  ['0/d', 'suspend or revoke'],
  ['-1/d', 'such as 50000/d'],
  ['Unlimited', 'unlimited'],
  ['', 'such as 50000/d'],
])('quota %j is refused and told what to write', (text, remedy) => {
  const result = parseQuota(text);
  expect(result.ok ? 'taken' : result.remedy).toContain(remedy);
});

test('whatever is typed, the answer is a value or a sentence', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,20}[a-z/ ]{0,8}$/)), (text) => {
      for (const result of [parseDuration(text), parseRate(text), parseQuota(text)]) {
        if (!result.ok) expect(result.why.length * result.remedy.length).toBeGreaterThan(0);
      }
    }),
    { numRuns: 1000 },
  );
});

test('a remedy that says what to write is itself taken', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9]{1,3}(\.[05])?(m|h|d|M|H|y|min|days)?([0-9]{1,2}[ms])?$/), (text) => {
      const result = parseDuration(text);
      const written = result.ok ? null : /^write (\S+)$/.exec(result.remedy.replace(/ for seconds.*$/, ''));
      if (written?.[1] !== undefined) expect(parseDuration(written[1]).ok).toBe(true);
    }),
  );
});
