import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Timed, TimerWheel } from './timer-wheel.ts';

const timed = (run: () => void): Timed => ({ dueMs: 0, armedMs: 0, onDeadline: run });

test('a deadline is met within one tick, moved, cleared and renewed as told', () => {
  let fired = 0;
  const wheel = new TimerWheel(50, 1000);
  const one = timed(() => fired++);
  wheel.set(one, 200);
  wheel.advance(1150);
  expect(fired).toBe(0);
  wheel.set(one, 500);
  wheel.advance(1600);
  expect(fired).toBe(0);
  wheel.advance(1700);
  expect(fired).toBe(1);
  wheel.set(one, 100);
  wheel.clear(one);
  wheel.advance(5000);
  expect(fired).toBe(1);
});

test('an earlier deadline wins over the later one it replaces', () => {
  let firedAt = 0;
  const wheel = new TimerWheel(50, 0);
  const one = timed(() => {
    firedAt = wheel.nowMs;
  });
  wheel.set(one, 10_000);
  wheel.set(one, 100);
  for (let now = 0; now < 1000; now += 50) wheel.advance(now);
  expect(firedAt).toBeGreaterThanOrEqual(100);
  expect(firedAt).toBeLessThanOrEqual(200);
});

test('whatever is set and moved, each fires once, not before its time and not two ticks late', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(90_000), fc.nat(400)), { maxLength: 60 }), (steps) => {
      const wheel = new TimerWheel(50, 0);
      const dues = new Map<number, number>();
      const all = new Map<number, Timed>();
      let now = 0;
      const advanceTo = (until: number): void => {
        while (now < until) {
          now += 50;
          wheel.advance(now);
          for (const [id, due] of dues) if (due > 0 && now > due + 100) throw new Error(`${id} is late`);
        }
      };
      for (const [id, after, wait] of steps) {
        if (!all.has(id)) {
          all.set(
            id,
            timed(() => {
              if (wheel.nowMs < dues.get(id)!) throw new Error(`${id} is early`);
              dues.set(id, 0);
            }),
          );
        }
        wheel.set(all.get(id)!, after);
        dues.set(id, wheel.nowMs + after);
        advanceTo(now + wait);
      }
      advanceTo(now + 100_000);
      expect([...dues.values()].every((due) => due === 0)).toBe(true);
    }),
    { numRuns: 60 },
  );
});
