import { problemKinds } from '@fluxgate/protocol/admin';
import { expect, test } from '@jest/globals';
import { EXIT, EXIT_MEANINGS, exitOfMany, exitOfProblem } from './exit.ts';

test('every exit code is explained once', () => {
  expect(EXIT_MEANINGS.map(([code]) => code).sort()).toEqual(Object.values(EXIT).sort());
});

test('every problem of the Admin API has an exit code that says whether trying again helps', () => {
  for (const [code, { status, retryable }] of Object.entries(problemKinds)) {
    const exit = exitOfProblem(status, code);
    expect([code, exit]).not.toEqual([code, EXIT.done]);
    if (exit === EXIT.unreachable) expect([code, retryable]).toEqual([code, true]);
  }
  expect(exitOfProblem(409, 'rotation_not_idle')).toBe(EXIT.saysNo);
});

test('several outcomes are one code only when all failed alike', () => {
  expect([exitOfMany(2, []), exitOfMany(0, [6, 6]), exitOfMany(0, [6, 9]), exitOfMany(1, [6])]).toEqual([0, 6, 11, 11]);
});
