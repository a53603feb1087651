import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { gcra } from './gcra.ts';
import { rateLimit, rateLimitPolicy, retryAfter } from './headers.ts';
import { leaseSize } from './lease.ts';
import { isZone, quotaWindow } from './quota.ts';

const NOW = Date.UTC(2026, 10, 21, 13, 14, 15, 167);
const SECOND = 1000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Sends `count` requests at once to a cell. */
function flood(tatMs: number, nowMs: number, rate: { limit: number; perMs: number }, burst: number, count: number) {
  let tat = tatMs;
  let admitted = 0;
  for (let i = 0; i < count; i += 1) {
    const verdict = gcra(tat, nowMs, rate, burst);
    if (verdict.allowed) admitted += 1;
    tat = verdict.tatMs;
  }
  return { tat, admitted };
}

test('an untouched cell admits exactly its burst at one instant, for any rate', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.constantFrom(SECOND, 60 * SECOND, HOUR),
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 0, max: 10 ** 9 }),
      (limit, perMs, burst, later) => {
        expect(flood(0, NOW + later, { limit, perMs }, burst, burst + 3).admitted).toBe(burst);
      },
    ),
  );
});

test('remaining counts down to zero and tells how many more pass', () => {
  let tat = 0;
  for (let left = 4; left >= 0; left -= 1) {
    const verdict = gcra(tat, NOW, { limit: 3, perMs: SECOND }, 5);
    expect(verdict).toMatchObject({ allowed: true, remaining: left, retryAfterMs: 0 });
    tat = verdict.tatMs;
  }
  expect(gcra(tat, NOW, { limit: 3, perMs: SECOND }, 5)).toMatchObject({ allowed: false, remaining: 0, tatMs: tat });
});

test('who waits for retryAfter is admitted, who comes earlier is not', () => {
  const rate = { limit: 100, perMs: SECOND };
  const { tat } = flood(0, NOW, rate, 20, 20);
  const refused = gcra(tat, NOW, rate, 20);
  expect(refused.allowed).toBe(false);
  expect(refused.retryAfterMs).toBeCloseTo(10, 2);
  expect(gcra(tat, NOW + refused.retryAfterMs - 1, rate, 20).allowed).toBe(false);
  expect(gcra(tat, NOW + refused.retryAfterMs, rate, 20).allowed).toBe(true);
});

test('an idle cell is full again after resetMs and never fuller', () => {
  const rate = { limit: 100, perMs: SECOND };
  const { tat } = flood(0, NOW, rate, 20, 20);
  const { resetMs } = gcra(tat, NOW, rate, 20);
  expect(resetMs).toBeCloseTo(200, 2);
  expect(flood(tat, NOW + resetMs, rate, 20, 100).admitted).toBe(20);
  expect(flood(tat, NOW + 3 * DAY, rate, 20, 100).admitted).toBe(20);
});

test('no schedule admits more than burst + rate × time in any interval', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 300 }),
      (limit, burst, gaps) => {
        const rate = { limit, perMs: SECOND };
        const admittedAt: number[] = [];
        let now = NOW;
        let tat = 0;
        for (const gap of gaps) {
          now += gap;
          const verdict = gcra(tat, now, rate, burst);
          tat = verdict.tatMs;
          if (verdict.allowed) admittedAt.push(now);
        }
        for (let i = 0; i < admittedAt.length; i += 1) {
          for (let j = i; j < admittedAt.length; j += 1) {
            const spanMs = (admittedAt[j] as number) - (admittedAt[i] as number);
            expect(j - i + 1).toBeLessThanOrEqual(burst + (spanMs * limit) / SECOND + 0.01 * limit);
          }
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('a steady caller at the rate is never refused, even without burst', () => {
  for (const [limit, perMs] of [
    [700, 60_000],
    [3, SECOND],
    [1000, SECOND],
    [7, HOUR],
  ] as const) {
    let tat = 0;
    let refused = 0;
    for (let i = 0; i < 20_000; i += 1) {
      const verdict = gcra(tat, NOW + i * (perMs / limit), { limit, perMs }, 1);
      if (!verdict.allowed) refused += 1;
      tat = verdict.tatMs;
    }
    expect(refused).toBe(0);
  }
});

test('over a long time a flood gets the rate and not more', () => {
  for (const [limit, perMs, errorPart] of [
    [4181, SECOND, 0.0011],
    [700, 60_000, 0.00001],
    [333, SECOND, 0.0001],
  ] as const) {
    let tat = 0;
    let admitted = 0;
    const spanMs = (2000 * perMs) / limit;
    const steps = 10_000;
    for (let i = 0; i <= steps; i += 1) {
      const verdict = gcra(tat, NOW + (i * spanMs) / steps, { limit, perMs }, 10);
      if (verdict.allowed) admitted += 1;
      tat = verdict.tatMs;
    }
    expect(admitted).toBeLessThanOrEqual(Math.ceil(10 + 2000 * (1 + errorPart)));
    expect(admitted).toBeGreaterThanOrEqual(Math.floor(10 + 2000 * (1 - errorPart)) - 1);
  }
});

test('a burst below one still lets single requests through', () => {
  expect(flood(0, NOW, { limit: 1, perMs: SECOND }, 0, 5).admitted).toBe(1);
});

test('a clock that steps back refuses nobody longer than the cell is filled', () => {
  const rate = { limit: 10, perMs: SECOND };
  const { tat } = flood(0, NOW, rate, 10, 1);
  expect(gcra(tat, NOW - 500, rate, 10).allowed).toBe(true);
});

test('windows in UTC are named by the calendar and end where the next begins', () => {
  expect(quotaWindow({ window: 'hour', zone: 'UTC' }, NOW)).toEqual({
    id: '2026-11-21T13',
    endsAtMs: Date.UTC(2026, 10, 21, 14),
  });
  expect(quotaWindow({ window: 'day', zone: 'UTC' }, NOW)).toEqual({ id: '2026-11-21', endsAtMs: Date.UTC(2026, 10, 22) });
  expect(quotaWindow({ window: 'month', zone: 'UTC' }, NOW)).toEqual({ id: '2026-11', endsAtMs: Date.UTC(2026, 11, 1) });
  expect(quotaWindow({ window: 'month', zone: 'UTC' }, Date.UTC(2026, 11, 31, 23))).toEqual({
    id: '2026-12',
    endsAtMs: Date.UTC(2027, 0, 1),
  });
  expect(quotaWindow({ window: 'day', zone: 'UTC' }, Date.UTC(2028, 1, 29)).id).toBe('2028-02-29');
});

test('windows of a zone follow its own calendar', () => {
  // 13:14 UTC is 22:14 in Tokyo and 02:14 the next day in Auckland.
  expect(quotaWindow({ window: 'day', zone: 'Asia/Tokyo' }, NOW)).toEqual({
    id: '2026-11-21',
    endsAtMs: Date.UTC(2026, 10, 21, 15),
  });
  expect(quotaWindow({ window: 'day', zone: 'Pacific/Auckland' }, NOW)).toEqual({
    id: '2026-11-22',
    endsAtMs: Date.UTC(2026, 10, 22, 11),
  });
  expect(quotaWindow({ window: 'hour', zone: 'Asia/Kolkata' }, NOW)).toEqual({
    id: '2026-11-21T18',
    endsAtMs: Date.UTC(2026, 10, 21, 13, 30),
  });
  expect(quotaWindow({ window: 'month', zone: 'America/New_York' }, Date.UTC(2026, 11, 1, 4, 59))).toEqual({
    id: '2026-11',
    endsAtMs: Date.UTC(2026, 11, 1, 5),
  });
});

test('a day on which clocks change is one window, of 23 or 25 hours', () => {
  const zone = 'Europe/Berlin';
  const spring = quotaWindow({ window: 'day', zone }, Date.UTC(2026, 2, 29, 12));
  expect(spring).toEqual({ id: '2026-03-29', endsAtMs: Date.UTC(2026, 2, 29, 22) });
  const autumn = quotaWindow({ window: 'day', zone }, Date.UTC(2026, 9, 24, 22, 0, 0, 1));
  expect(autumn).toEqual({ id: '2026-10-25', endsAtMs: Date.UTC(2026, 9, 25, 23) });
});

test('a day without a midnight still begins and ends on time', () => {
  // Cairo skips 00:00–01:00 on 24 April 2026.
  const before = quotaWindow({ window: 'day', zone: 'Africa/Cairo' }, Date.UTC(2026, 3, 23, 12));
  expect(before).toEqual({ id: '2026-04-23', endsAtMs: Date.UTC(2026, 3, 23, 22) });
  expect(quotaWindow({ window: 'day', zone: 'Africa/Cairo' }, before.endsAtMs).id).toBe('2026-04-24');
});

test('an hour that a clock change repeats counts once, not twice', () => {
  const zone = 'Europe/Berlin';
  const first = quotaWindow({ window: 'hour', zone }, Date.UTC(2026, 9, 25, 0, 30));
  const second = quotaWindow({ window: 'hour', zone }, Date.UTC(2026, 9, 25, 1, 30));
  expect(first).toEqual({ id: '2026-10-25T02', endsAtMs: Date.UTC(2026, 9, 25, 2) });
  expect(second).toEqual(first);
});

test('windows follow one another without gap or overlap, in any zone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        'UTC',
        'Europe/Berlin',
        'America/New_York',
        'Asia/Kolkata',
        'Australia/Lord_Howe',
        'Pacific/Chatham',
        'Africa/Cairo',
        'America/Havana',
        'Asia/Beirut',
        'Pacific/Apia',
      ),
      fc.constantFrom('hour' as const, 'day' as const, 'month' as const),
      fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2028, 0, 1) }),
      (zone, window, nowMs) => {
        const here = quotaWindow({ window, zone }, nowMs);
        expect(here.endsAtMs).toBeGreaterThan(nowMs);
        expect(quotaWindow({ window, zone }, here.endsAtMs - 1).id).toBe(here.id);
        const next = quotaWindow({ window, zone }, here.endsAtMs);
        expect(next.id > here.id).toBe(true);
        // Asked again, after others were asked, it answers the same: what it remembers is only an answer.
        expect(quotaWindow({ window, zone }, nowMs)).toEqual(here);
      },
    ),
    { numRuns: 200 },
  );
});

test('a zone is an IANA name that the runtime knows', () => {
  for (const good of ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires']) expect(isZone(good)).toBe(true);
  for (const bad of ['', 'Berlin', 'Mars/Olympus', '+02:00', 'UTC ']) expect(isZone(bad)).toBe(false);
});

test('a lease covers the horizon, at most half of an equal share, and at least one token', () => {
  expect(leaseSize({ left: 50_000, activeNodes: 1, ratePerS: 100, horizonS: 60 })).toBe(6000);
  expect(leaseSize({ left: 50_000, activeNodes: 10, ratePerS: 100, horizonS: 60 })).toBe(2500);
  expect(leaseSize({ left: 50_000, activeNodes: 10, ratePerS: 0.01, horizonS: 60 })).toBe(1);
  expect(leaseSize({ left: 50_000, activeNodes: 10, ratePerS: 0, horizonS: 60 })).toBe(1);
  expect(leaseSize({ left: 1, activeNodes: 10, ratePerS: 1000, horizonS: 60 })).toBe(1);
  expect(leaseSize({ left: 0, activeNodes: 1, ratePerS: 1000, horizonS: 60 })).toBe(0);
  expect(leaseSize({ left: -3, activeNodes: 1, ratePerS: 1000, horizonS: 60 })).toBe(0);
});

test('no lease is larger than what is left, whatever is reported', () => {
  const number = fc.oneof(
    fc.double(),
    fc.integer({ min: -5, max: 1_000_000 }),
    fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), number, number, number, (left, activeNodes, ratePerS, horizonS) => {
      const size = leaseSize({ left, activeNodes, ratePerS, horizonS });
      expect(Number.isInteger(size)).toBe(true);
      expect(size).toBeLessThanOrEqual(left);
      expect(size).toBeGreaterThanOrEqual(left > 0 ? 1 : 0);
    }),
  );
});

test('RateLimit fields are lists of strings with integer parameters', () => {
  expect(rateLimitPolicy([{ name: 'day', limit: 50_000, windowMs: DAY }])).toBe('"day";q=50000;w=86400');
  expect(rateLimit([{ name: 'day', remaining: 49_999, resetMs: HOUR }])).toBe('"day";r=49999;t=3600');
  expect(
    rateLimitPolicy([
      { name: 'tier', limit: 500, windowMs: 60_000 },
      { name: 'budget', limit: 10_000, windowMs: null },
    ]),
  ).toBe('"tier";q=500;w=60, "budget";q=10000');
  expect(rateLimit([{ name: 'budget', remaining: 3, resetMs: null }])).toBe('"budget";r=3');
});

test('times in fields are whole seconds, rounded so that nobody comes back too early', () => {
  expect(rateLimit([{ name: 'x', remaining: 1.9, resetMs: 1001 }])).toBe('"x";r=1;t=2');
  expect(retryAfter(1)).toBe('1');
  expect(retryAfter(0)).toBe('1');
  expect(retryAfter(1001)).toBe('2');
  expect(retryAfter(Number.NaN)).toBe('1');
});

test('no name and no number breaks a field', () => {
  expect(rateLimit([{ name: 'a"b\\c\r\nX: é', remaining: -1, resetMs: Number.POSITIVE_INFINITY }])).toBe(
    '"a\\"b\\\\c__X: _";r=0;t=999999999999999',
  );
  fc.assert(
    fc.property(fc.string(), fc.double(), fc.double(), (name, remaining, resetMs) => {
      expect(rateLimit([{ name, remaining, resetMs }])).toMatch(
        /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*";r=\d{1,15};t=\d{1,15}$/,
      );
    }),
  );
});
