import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { monotonicClock } from './clock.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { createLeaseMemory } from './lease-layout.ts';
import { attachLeases } from './lease-table.ts';

const SUBJECT = 'q:7:2026-11-21';

function room(count = 256) {
  let now = 1_000_000;
  const handles = createLeaseMemory([11, 12], now, count);
  const low: string[] = [];
  const table = attachLeases(
    handles,
    (subject) => low.push(subject),
    () => now,
  );
  const keeper = new LeaseKeeper(handles, now);
  keeper.setAuthority(true);
  const lease = (
    tokens: number,
    over: Partial<{ leaseId: string; deadlineMs: number; left: number; idleReturnMs: number }> = {},
  ) => ({
    leaseId: 'l1',
    tokens,
    deadlineMs: now + 60_000,
    left: 100,
    idleReturnMs: 5000,
    ...over,
  });
  return { handles, table, keeper, low, lease, now: () => now, pass: (ms: number) => (now += ms) };
}

const spendAll = (table: { spend(subject: string, nowMs: number): string }, subject = SUBJECT) => {
  let n = 0;
  while (table.spend(subject, 0) === 'ok') n += 1;
  return n;
};

describe('lease table', () => {
  test('as many tokens are spent as were granted, then it says empty', () => {
    const { table, keeper, lease, now } = room();
    expect(table.spend(SUBJECT, 0)).toBe('empty');
    expect(keeper.grant(SUBJECT, lease(5), now())).toBe(true);
    expect(table.left(SUBJECT)).toBe(105);
    expect(spendAll(table)).toBe(5);
    expect(table.spend(SUBJECT, 0)).toBe('empty');
  });

  test('without an authority an empty lease is lost, and tokens that are there can still be spent', () => {
    const { table, keeper, lease, now } = room();
    keeper.grant(SUBJECT, lease(1), now());
    keeper.setAuthority(false);
    expect(table.spend(SUBJECT, 0)).toBe('ok');
    expect(table.spend(SUBJECT, 0)).toBe('lost');
  });

  test('no token is spent after its window ended', () => {
    const { table, keeper, lease, now, pass } = room();
    keeper.grant(SUBJECT, lease(5, { deadlineMs: now() + 1000 }), now());
    expect(table.spend(SUBJECT, 0)).toBe('ok');
    pass(1000);
    expect(table.spend(SUBJECT, 0)).toBe('empty');
    keeper.grant(SUBJECT, lease(2, { deadlineMs: now() + 1000 }), now());
    expect(spendAll(table)).toBe(2);
  });

  test('an exhausted subject is refused without asking until the mark ends, or tokens arrive', () => {
    const { table, keeper, lease, now, pass } = room();
    keeper.markExhausted(SUBJECT, now() + 2000, now());
    expect(table.spend(SUBJECT, 0)).toBe('exhausted');
    pass(2000);
    expect(table.spend(SUBJECT, 0)).toBe('empty');
    keeper.markExhausted(SUBJECT, now() + 2000, now());
    keeper.grant(SUBJECT, lease(1), now());
    expect(table.spend(SUBJECT, 0)).toBe('ok');
  });

  test('falling below a quarter is told once per grant', () => {
    const { table, keeper, low, lease, now } = room();
    keeper.grant(SUBJECT, lease(8), now());
    for (let i = 0; i < 5; i++) table.spend(SUBJECT, 0);
    expect(low).toEqual([]);
    for (let i = 0; i < 3; i++) table.spend(SUBJECT, 0);
    expect(low).toEqual([SUBJECT]);
    keeper.grant(SUBJECT, lease(1), now());
    expect(table.spend(SUBJECT, 0)).toBe('ok');
    expect(low).toHaveLength(2);
  });

  test('idle tokens are taken back once: spent plus returned is what was granted', () => {
    const { table, keeper, lease, now, pass } = room();
    keeper.grant(SUBJECT, lease(5, { leaseId: 'a' }), now());
    keeper.grant(SUBJECT, lease(5, { leaseId: 'b' }), now());
    for (let i = 0; i < 3; i++) table.spend(SUBJECT, 0);
    keeper.observe(now());
    pass(4999);
    keeper.observe(now());
    expect(keeper.takeBackIdle(now())).toEqual([]);
    pass(1);
    expect(keeper.takeBackIdle(now())).toEqual([
      { subject: SUBJECT, leaseId: 'b', amount: 5 },
      { subject: SUBJECT, leaseId: 'a', amount: 2 },
    ]);
    expect(table.spend(SUBJECT, 0)).toBe('empty');
    expect(keeper.takeBackIdle(now())).toEqual([]);
    expect(keeper.takeBackAll()).toEqual([]);
  });

  test('a lease in use is not idle', () => {
    const { table, keeper, lease, now, pass } = room();
    keeper.grant(SUBJECT, lease(50), now());
    for (let i = 0; i < 10; i++) {
      pass(1000);
      table.spend(SUBJECT, 0);
      keeper.observe(now());
      expect(keeper.takeBackIdle(now())).toEqual([]);
    }
    expect(keeper.ratePerS(SUBJECT)).toBeGreaterThan(0.9);
  });

  test('a token put back can be spent again, and only by its own subject', () => {
    const { table, keeper, lease, now } = room();
    keeper.grant(SUBJECT, lease(1), now());
    table.spend(SUBJECT, 0);
    table.refund('q:8:2026-11-21');
    expect(table.spend('q:8:2026-11-21', 0)).toBe('empty');
    table.refund(SUBJECT);
    expect(spendAll(table)).toBe(1);
  });

  test('the tokens of one subject are never another’s, though their cells are reused all the time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ n: fc.nat({ max: 60 }), act: fc.nat({ max: 3 }) }), { maxLength: 400, size: 'max' }),
        (steps) => {
          const { table, keeper, lease, now, pass } = room(32);
          const granted = new Map<string, number>();
          const spent = new Map<string, number>();
          for (const { n, act } of steps) {
            const subject = `b:kid${n}`;
            if (act === 0 && keeper.grant(subject, lease(3, { deadlineMs: now() + 500 }), now()))
              granted.set(subject, (granted.get(subject) ?? 0) + 3);
            if (act === 1 && table.spend(subject, 0) === 'ok') spent.set(subject, (spent.get(subject) ?? 0) + 1);
            if (act === 2) pass(150);
            if (act === 3) keeper.observe(now());
          }
          for (const [subject, count] of spent) expect(count).toBeLessThanOrEqual(granted.get(subject) ?? 0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a worker that slept while its cell changed hands spends nothing of the new owner', () => {
    let now = 1_000_000;
    let asleep = (): void => undefined;
    const handles = createLeaseMemory([11, 12], now, 8);
    // The clock is read between looking at the tokens and taking one: there the worker sleeps.
    const sleepy = attachLeases(
      handles,
      () => undefined,
      () => {
        asleep();
        return now;
      },
    );
    const keeper = new LeaseKeeper(handles, now);
    const lease = { leaseId: 'l', tokens: 5, deadlineMs: now + 1000, left: 0, idleReturnMs: 1000 };
    for (let n = 0; n < 8; n++) keeper.grant(`b:${n}`, lease, now);
    asleep = () => {
      asleep = () => undefined;
      now += 2000;
      keeper.observe(now);
      for (let n = 10; n < 18; n++) keeper.grant(`b:${n}`, { ...lease, deadlineMs: now + 1000 }, now);
      now -= 2000; // it read the clock before it slept
    };
    expect(sleepy.spend('b:3', 0)).not.toBe('ok');
    for (let n = 10; n < 18; n++) expect(keeper.tokens(`b:${n}`)).toBe(5);
  });

  test('without a free cell a grant is refused, not given to somebody else', () => {
    const { table, keeper, lease, now } = room(8);
    for (let n = 0; n < 8; n++) expect(keeper.grant(`b:${n}`, lease(1), now())).toBe(true);
    expect(keeper.grant('b:8', lease(1), now())).toBe(false);
    expect(table.spend('b:8', 0)).toBe('empty');
    expect(table.spend('b:3', 0)).toBe('ok');
  });

  test('a restarted sync thread adopts the cells: tokens stay spendable, none is returned that might be returned twice', () => {
    const { handles, table, keeper, lease, now, pass } = room();
    keeper.grant(SUBJECT, lease(4), now());
    table.spend(SUBJECT, 0);
    const next = new LeaseKeeper(handles, now());
    expect(next.tokens(SUBJECT)).toBe(3);
    pass(10_000);
    expect([...next.takeBackIdle(now()), ...next.takeBackAll()]).toEqual([]);
    expect(next.grant(SUBJECT, lease(2, { leaseId: 'new' }), now())).toBe(true);
    expect(spendAll(table)).toBe(5);
  });

  test('four threads spend exactly what was granted and not taken back, to the token', async () => {
    const clock = monotonicClock();
    const handles = createLeaseMemory([1, 2], clock());
    const keeper = new LeaseKeeper(handles, clock());
    keeper.setAuthority(true);
    const subjects = [SUBJECT, 'b:kid000000001', 'q:9:2026-11'];
    const stop = new SharedArrayBuffer(4);
    let ready = 0;
    const results = [0, 1, 2, 3].map(
      () =>
        new Promise<{ got: number[]; low: number }>((resolve, reject) => {
          const thread = new Worker(new URL('./test-threads/lease-spender.ts', import.meta.url), {
            workerData: { handles, subjects, stop },
          });
          thread.once('error', reject);
          thread.on('message', (message: 'ready' | { got: number[]; low: number }) => {
            if (message === 'ready') ready += 1;
            else resolve(message);
          });
        }),
    );
    while (ready < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    const granted = subjects.map(() => 0);
    const returned = subjects.map(() => 0);
    for (let n = 0; n < 3000; n++) {
      const which = n % subjects.length;
      const tokens = 1 + (n % 40);
      keeper.grant(
        subjects[which]!,
        { leaseId: `l${n}`, tokens, deadlineMs: Number.POSITIVE_INFINITY, left: 0, idleReturnMs: 1 },
        clock(),
      );
      granted[which]! += tokens;
      if (n % 5 === 0) for (const back of keeper.takeBackAll()) returned[subjects.indexOf(back.subject)]! += back.amount;
      if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    Atomics.store(new Int32Array(stop), 0, 1);
    const all = await Promise.all(results);
    for (const [n, subject] of subjects.entries()) {
      const spent = all.reduce((sum, r) => sum + r.got[n]!, 0);
      expect(spent + returned[n]! + keeper.tokens(subject)).toBe(granted[n]);
      expect(spent).toBeGreaterThan(0);
    }
    expect(all.reduce((sum, r) => sum + r.low, 0)).toBeGreaterThan(0);
  });
});
