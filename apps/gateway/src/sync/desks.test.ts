import type { LeaseGrant, LeaseRequest, LeaseReturn, Usage } from '@fluxgate/protocol/sync';
import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LeaseKeeper } from '../memory/lease-keeper.ts';
import { createLeaseMemory } from '../memory/lease-layout.ts';
import { attachLeases } from '../memory/lease-table.ts';
import { LeaseDesk, parseSubject } from './leases.ts';
import { UsageDesk } from './usage.ts';

const SUBJECT = 'q:7:2026-11-21';

function leaseRoom() {
  let now = 1_000_000;
  const handles = createLeaseMemory([1, 2], now, 256);
  const table = attachLeases(
    handles,
    () => undefined,
    () => now,
  );
  const sent: (LeaseRequest | LeaseReturn)[] = [];
  const keeper = new LeaseKeeper(handles, now);
  const desk = new LeaseDesk({ keeper, monotonicMs: () => now, send: (message) => sent.push(message) > 0 });
  desk.connected();
  const requests = () => sent.filter((message) => message.t === 'lease_request');
  const answer = (over: Partial<LeaseGrant> = {}) => {
    const { id, want } = requests().at(-1)!;
    desk.onGrant({
      t: 'lease_grant',
      id,
      leaseId: `l${id}`,
      granted: want,
      exhausted: false,
      limit: 1000,
      left: 100,
      remainingMs: 60_000,
      idleReturnMs: 5000,
      ...over,
    });
  };
  const ask = () => {
    const outcomes: string[] = [];
    desk.request(SUBJECT, (outcome) => outcomes.push(outcome));
    return outcomes;
  };
  return { desk, table, keeper, sent, requests, answer, ask, pass: (ms: number) => (now += ms) };
}

describe('leases at the node', () => {
  test('subjects are read as the control plane means them, and nothing else is', () => {
    expect(parseSubject('q:7:2026-11')).toEqual({ kind: 'quota', credential: 7, window: '2026-11' });
    expect(parseSubject('b:abcDEF012345')).toEqual({ kind: 'budget', kid: 'abcDEF012345' });
    for (const bad of ['', 'q:', 'q:-1:x', 'q:1:', 'b:short', 'x:1', `q:1:${'w'.repeat(33)}`])
      expect(parseSubject(bad)).toBeNull();
  });

  test('however many requests wait, the control plane is asked once', () => {
    const { requests, ask, answer, table } = leaseRoom();
    const outcomes = [ask(), ask(), ask()];
    expect(requests()).toHaveLength(1);
    answer();
    expect(outcomes).toEqual([['granted'], ['granted'], ['granted']]);
    expect(table.spend(SUBJECT, 0)).toBe('ok');
  });

  test('a grant that comes twice is counted once', () => {
    const { ask, answer, keeper, requests } = leaseRoom();
    ask();
    const { want } = requests()[0]!;
    answer();
    answer();
    expect(keeper.tokens(SUBJECT)).toBe(want);
  });

  test('a grant that nobody asked for, or larger than what was asked, gives nothing', () => {
    const { ask, answer, keeper, desk } = leaseRoom();
    desk.onGrant({
      t: 'lease_grant',
      id: 99,
      leaseId: 'x',
      granted: 50,
      exhausted: false,
      limit: 1,
      left: 0,
      remainingMs: 1000,
      idleReturnMs: 1,
    });
    const outcome = ask();
    answer({ granted: 1_000_000 });
    expect(outcome).toEqual(['unavailable']);
    expect(keeper.tokens(SUBJECT)).toBe(0);
  });

  test('an exhausted limit is told, and not asked again for a while', () => {
    const { ask, answer, table, pass } = leaseRoom();
    const outcome = ask();
    answer({ granted: 0, exhausted: true });
    expect(outcome).toEqual(['exhausted']);
    expect(table.spend(SUBJECT, 0)).toBe('exhausted');
    pass(2100);
    expect(table.spend(SUBJECT, 0)).toBe('empty');
  });

  test('a line that is back within a moment refuses nobody: who waited is asked for anew, and the old grant is not counted', () => {
    const { ask, answer, desk, table, keeper, requests, pass } = leaseRoom();
    const before = ask();
    desk.disconnected();
    const meanwhile = ask();
    expect(table.spend(SUBJECT, 0)).toBe('empty');
    answer();
    expect(keeper.tokens(SUBJECT)).toBe(0);
    pass(1000);
    desk.expire();
    expect([before, meanwhile]).toEqual([[], []]);
    desk.connected();
    expect(requests()).toHaveLength(2);
    answer();
    expect([before, meanwhile]).toEqual([['granted'], ['granted']]);
  });

  test('a line that stays away is told to all who wait after a second and a half, and then at once', () => {
    const { ask, desk, table, pass } = leaseRoom();
    const waiting = ask();
    desk.disconnected();
    pass(1600);
    desk.expire();
    expect(waiting).toEqual(['unavailable']);
    expect(table.spend(SUBJECT, 0)).toBe('lost');
    expect(ask()).toEqual(['unavailable']);
    desk.connected();
    expect(table.spend(SUBJECT, 0)).toBe('empty');
  });

  test('who waits too long hears that nobody answers; the tokens still count when they come', () => {
    const { ask, answer, desk, pass, table } = leaseRoom();
    const outcome = ask();
    pass(2001);
    desk.expire();
    expect(outcome).toEqual(['unavailable']);
    answer();
    expect(table.spend(SUBJECT, 0)).toBe('ok');
  });

  test('the window of a lease is counted from the question, not from the answer', () => {
    const { ask, answer, pass, table } = leaseRoom();
    ask();
    pass(1500);
    answer({ remainingMs: 2000 });
    expect(table.spend(SUBJECT, 0)).toBe('ok');
    pass(600);
    expect(table.spend(SUBJECT, 0)).toBe('empty');
  });

  test('tokens of a window that ended do not keep anybody from asking', () => {
    const { ask, answer, pass, requests } = leaseRoom();
    ask();
    answer({ remainingMs: 1000 });
    pass(1000);
    expect(ask()).toEqual([]);
    expect(requests()).toHaveLength(2);
  });

  test('a lease that is used up at once is followed by a larger one, one that lasts by one that fits the rate', () => {
    const { ask, answer, requests, table, pass, desk } = leaseRoom();
    for (let n = 0; n < 3; n++) {
      ask();
      answer();
      while (table.spend(SUBJECT, 0) === 'ok');
      pass(100);
    }
    expect(requests().map(({ want }) => want)).toEqual([16, 64, 256]);
    for (let n = 0; n < 10; n++) {
      pass(1000);
      desk.tend();
    }
    ask();
    expect(requests().at(-1)!.want).toBeLessThan(64);
  });

  test('idle tokens go back once, and all of them before the node stops', () => {
    const { ask, answer, desk, sent, pass, requests } = leaseRoom();
    ask();
    answer();
    desk.tend();
    pass(5000);
    desk.tend();
    pass(5000);
    desk.tend();
    const { want } = requests()[0]!;
    expect(sent.filter((m) => m.t === 'lease_return')).toMatchObject([{ leaseId: 'l1', amount: want }]);
    ask();
    answer();
    desk.returnAll();
    desk.returnAll();
    expect(sent.filter((m) => m.t === 'lease_return')).toHaveLength(2);
  });
});

describe('usage reports', () => {
  let now = 0;
  let up = true;
  let sent: Usage[] = [];
  let desk: UsageDesk;
  const entry = (kid: string, allowed: number, lastUsedS = 1) => ({
    kid,
    day: '2026-11-21',
    allowed,
    refused: 0,
    lastUsedS,
    lastAddress: null,
    lastUserAgent: null,
  });
  beforeEach(() => {
    now = 0;
    up = true;
    sent = [];
    desk = new UsageDesk({
      bootId: 'boot',
      firstSeq: 100,
      monotonicMs: () => now,
      send: (message) => up && sent.push(structuredClone(message)) > 0,
    });
    desk.connected();
  });

  test('the first use is told at once, later ones are gathered for a second', () => {
    desk.add([entry('a', 1)]);
    expect(sent).toHaveLength(1);
    desk.acknowledged(sent[0]!.seq);
    desk.add([entry('a', 2)]);
    desk.add([entry('a', 3, 9), entry('b', 1)]);
    expect(sent).toHaveLength(1);
    now = 1000;
    desk.tick();
    expect(sent[1]!.entries).toEqual([entry('a', 5, 9), entry('b', 1)]);
    expect(sent[1]!.seq).toBe(sent[0]!.seq + 1);
  });

  test('a report is kept until it is acknowledged, and sent again unchanged under its number on a new line', () => {
    desk.add([entry('a', 1)]);
    desk.add([entry('a', 4)]);
    now = 5000;
    desk.tick();
    expect(sent).toHaveLength(1);
    desk.connected();
    expect(sent[1]).toEqual(sent[0]);
    desk.acknowledged(sent[0]!.seq);
    desk.acknowledged(sent[0]!.seq);
    now = 6000;
    desk.tick();
    expect(sent[2]!.entries).toEqual([entry('a', 4)]);
  });

  test('counted once each, nothing is lost and nothing doubled, whatever the line does', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('use', 'second', 'lose', 'join', 'ack'), { maxLength: 80 }), (steps) => {
        let clock = 0;
        let connected = true;
        let used = 0;
        const seen = new Map<number, number>();
        const out: Usage[] = [];
        const one = new UsageDesk({
          bootId: 'b',
          firstSeq: 0,
          monotonicMs: () => clock,
          send: (m) => connected && out.push(structuredClone(m)) > 0,
        });
        one.connected();
        const serve = (): void => {
          for (const m of out.splice(0)) {
            // The control plane counts each number once.
            if (!seen.has(m.seq))
              seen.set(
                m.seq,
                m.entries.reduce((sum, e) => sum + e.allowed, 0),
              );
            one.acknowledged(m.seq);
          }
        };
        for (const step of steps) {
          if (step === 'use') {
            one.add([entry('k', 1)]);
            used += 1;
          }
          if (step === 'second') {
            clock += 1000;
            one.tick();
          }
          if (step === 'lose') connected = false;
          if (step === 'join') {
            connected = true;
            one.connected();
          }
          if (step === 'ack' && connected) serve();
        }
        connected = true;
        one.connected();
        for (let n = 0; n < 5; n++) {
          serve();
          clock += 1000;
          one.tick();
        }
        expect([...seen.values()].reduce((a, b) => a + b, 0)).toBe(used);
        expect(one.isEmpty).toBe(true);
      }),
    );
  });
});
