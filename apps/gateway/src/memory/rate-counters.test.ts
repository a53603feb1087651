import { Worker } from 'node:worker_threads';
import { gcra } from '@fluxgate/policy';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { attachRates, createRateMemory } from './rate-counters.ts';

interface Taken {
  admitted: number[];
  firstMs: number;
  lastMs: number;
  takes: number;
}

describe('rate counters', () => {
  test('one subject is judged exactly as the plain algorithm judges it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 100 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        (gaps, limit, burst) => {
          const rates = attachRates(createRateMemory([1, 2], 64), 0);
          const rate = { limit, perMs: 1000 };
          let tat = 0;
          let now = 1_000_000;
          for (const gap of gaps) {
            now += gap / 10;
            const expected = gcra(tat, now, rate, burst);
            tat = expected.tatMs;
            const { allowed, remaining, retryAfterMs, resetMs } = rates.take(1, 'x', rate, burst, now);
            expect({ allowed, remaining, retryAfterMs, resetMs }).toEqual({
              allowed: expected.allowed,
              remaining: expected.remaining,
              retryAfterMs: expected.retryAfterMs,
              resetMs: expected.resetMs,
            });
          }
        },
      ),
    );
  });

  test('however crowded a bucket, no subject gets more than its own limit', () => {
    const step = fc.record({ subject: fc.nat({ max: 40 }), gap: fc.integer({ min: 0, max: 400 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
        const rates = attachRates(createRateMemory([3, 4], 1), 0);
        const limits = [
          { rate: { limit: 10, perMs: 1000 }, burst: 3 },
          { rate: { limit: 1, perMs: 10_000 }, burst: 1 },
          { rate: { limit: 100, perMs: 1000 }, burst: 20 },
        ];
        const own = new Map<number, number>();
        let now = 5_000_000;
        for (const { subject, gap } of steps) {
          now += gap / 10;
          const { rate, burst } = limits[subject % 3]!;
          if (!rates.take(subject % 3, `s${subject}`, rate, burst, now).allowed) continue;
          const judged = gcra(own.get(subject) ?? 0, now, rate, burst);
          expect(judged.allowed).toBe(true);
          own.set(subject, judged.tatMs);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a crowded bucket is counted, and a newcomer is served again once a cell is free', () => {
    const rates = attachRates(createRateMemory([3, 4], 1), 0);
    const rate = { limit: 1, perMs: 1000 };
    for (let n = 0; n < 16; n++) expect(rates.take(0, `s${n}`, rate, 1, 1000).allowed).toBe(true);
    expect(rates.crowded).toBe(1);
    expect(rates.take(0, 'late', rate, 1, 1500).allowed).toBe(false);
    expect(rates.take(0, 'late', rate, 1, 2001).allowed).toBe(true);
  });

  test('a lock whose holder died is taken over', () => {
    const handles = createRateMemory([5, 6], 1);
    const rates = attachRates(handles, 1);
    new Int32Array(handles.cells)[64] = 12345;
    expect(rates.take(0, 'x', { limit: 1, perMs: 1000 }, 1, 1000).allowed).toBe(true);
    expect(rates.take(0, 'x', { limit: 1, perMs: 1000 }, 1, 1000).allowed).toBe(false);
  });

  test('a clock that was set back by an hour does not lock a subject out for an hour', () => {
    const rates = attachRates(createRateMemory([5, 6], 16), 1);
    const rate = { limit: 60, perMs: 60_000 };
    for (let i = 0; i < 5; i++) rates.take(0, 'x', rate, 5, 10_000_000);
    const verdict = rates.take(0, 'x', rate, 5, 6_400_000);
    expect(verdict.retryAfterMs).toBeLessThanOrEqual(5000);
  });

  test('four threads together admit no more than the burst and the rate allow', async () => {
    const handles = createRateMemory([7, 8]);
    const rate = { limit: 2000, perMs: 1000, burst: 50, subjects: 3 };
    const together = { gate: new Int32Array(new SharedArrayBuffer(4)), threads: 4, forMs: 1500, takesMin: 10_000 };
    const results = await Promise.all(
      [0, 1, 2, 3].map(
        (worker) =>
          new Promise<Taken>((resolve, reject) => {
            const thread = new Worker(new URL('./test-threads/rate-taker.ts', import.meta.url), {
              workerData: { handles, worker, ...rate, ...together },
            });
            thread.once('message', (message: Taken) => resolve(message));
            thread.once('error', reject);
          }),
      ),
    );
    const elapsedMs = Math.max(...results.map((r) => r.lastMs)) - Math.min(...results.map((r) => r.firstMs));
    expect(results.reduce((sum, r) => sum + r.takes, 0)).toBeGreaterThan(20_000);
    for (let n = 0; n < rate.subjects; n++) {
      const admitted = results.reduce((sum, r) => sum + r.admitted[n]!, 0);
      expect(admitted).toBeLessThanOrEqual(rate.burst + (elapsedMs / rate.perMs) * rate.limit + 1);
      expect(admitted).toBeGreaterThan(rate.burst);
    }
  });
});
