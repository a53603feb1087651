import { expect, test } from '@jest/globals';
import type { Ending, Forward, Lasting } from '../seam.ts';
import { facts, NOW_MS, testKey, world } from './fakes.ts';

/** One exchange that was let in and is still open. */
function setUp(over: Parameters<typeof testKey>[1] = {}) {
  const key = testKey('stream', over);
  const other = testKey('other');
  const w = world({ keys: [key, other] });
  const groups = new Map<string, Set<Lasting>>();
  let arrived: Lasting[] = [];
  const open = (which = key) => {
    const endings: Ending[] = [];
    const decision = w.ask(which) as Forward;
    expect(decision.kind).toBe('forward');
    const one: Lasting = {
      facts: facts({}),
      admission: decision,
      end: (ending) => {
        endings.push(ending);
        groups.get(decision.kid ?? '')?.delete(one);
      },
    };
    const group = groups.get(decision.kid ?? '') ?? new Set();
    groups.set(decision.kid ?? '', group.add(one));
    arrived.push(one);
    return endings;
  };
  const lasting = {
    groups,
    arrivals: () => {
      const now = arrived;
      arrived = [];
      return now;
    },
  };
  return { w, key, other, open, review: () => w.pipeline.review(lasting) };
}

test('while nothing has changed, no key is looked up again', () => {
  const { w, open, review } = setUp();
  const endings = open();
  review();
  const asked = w.index.asked.length;
  review();
  review();
  expect(w.index.asked.length).toBe(asked);
  expect(endings).toEqual([]);
});

test.each([
  [2, 'key_revoked'],
  [3, 'key_suspended'],
] as const)('a key that changes to state %i ends what it let in with 4401 %s, and nothing else', (state, reason) => {
  const { w, key, other, open, review } = setUp();
  const [mine, its] = [open(), open(other)];
  review();
  key.record.state = state;
  w.index.changes += 1;
  review();
  expect(mine).toEqual([{ code: 4401, refusal: reason, reason }]);
  expect(its).toEqual([]);
});

test('a deleted key ends what it let in; one revoked between decision and first look does too', () => {
  const { w, key, other, open, review } = setUp();
  const [mine, its] = [open(), open(other)];
  w.index.keys.delete(key.kid);
  other.record.state = 2;
  review();
  expect([mine, its].flat().map((one) => one.code)).toEqual([4401, 4401]);
});

test('a key ends what it let in at its end, not before; an end that was moved on is believed', () => {
  const { w, key, open, review } = setUp({ notAfterS: NOW_MS / 1000 + 60 });
  const endings = open();
  review();
  w.clock.nowMs = NOW_MS + 59_999;
  review();
  expect(endings).toEqual([]);
  key.record.notAfterS += 60;
  w.index.changes += 1;
  w.clock.nowMs = NOW_MS + 60_000;
  review();
  expect(endings).toEqual([]);
  w.clock.nowMs = NOW_MS + 120_000;
  review();
  expect(endings).toEqual([{ code: 4401, refusal: 'key_expired', reason: 'key_expired' }]);
});

test('a grant that cannot be read ends nothing, and is asked for until it can', () => {
  const { w, key, open, review } = setUp();
  const endings = open();
  review();
  key.record.grant = 99;
  w.index.changes += 1;
  review();
  review();
  expect(endings).toEqual([]);
  key.record.state = 2;
  review();
  expect(endings).toHaveLength(1);
});
