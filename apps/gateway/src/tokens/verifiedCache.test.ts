import { expect, test } from '@jest/globals';
import { VerifiedCache, type VerifiedToken } from './verifiedCache.ts';

const token = (sub: string): VerifiedToken => ({ set: { keys: [], usableUntilMs: 0 }, alg: 'RS256', typ: null, claims: { sub } });

test('the cache is bounded in entries and in characters, and keeps what is asked for', () => {
  const cache = new VerifiedCache(100, 1000);
  for (let i = 0; i < 5000; i += 1) {
    cache.put(`t${i}`, token(String(i)), 5);
    expect(cache.size).toBeLessThanOrEqual(200);
    if (i > 0) expect(cache.get('t0')?.claims).toEqual({ sub: '0' });
  }
  expect(cache.get('t1')).toBeNull();
  expect(cache.get('t4999')).not.toBeNull();
  for (let i = 0; i < 100; i += 1) {
    cache.put(`big${i}`, token('big'), 400);
    expect(cache.size).toBeLessThanOrEqual(203);
  }
  expect(cache.size).toBeLessThanOrEqual(4);
});
