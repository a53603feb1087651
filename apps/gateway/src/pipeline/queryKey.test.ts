import { expect, test } from '@jest/globals';
import { takeFromQuery, withoutKeys } from './queryKey.ts';

test('the key is found by its decoded name and every spelling of it is cut out', () => {
  for (const query of ['api_key=K', 'a=1&api_key=K&b=2', 'api%5Fkey=K&b=2', '%61pi_key=%4B']) {
    const found = takeFromQuery(query, 'api_key');
    expect([found.count, found.value]).toEqual([1, 'K']);
    expect(found.rest).not.toMatch(/key|K/);
  }
  expect(withoutKeys('a=1&api_key=K&b=2&api%5fkey=L', ['api_key'])).toBe('a=1&b=2');
});

test('a longer or a shorter name is another name, and its pair arrives byte for byte', () => {
  for (const query of ['api_keys=1', 'my_api_key=1', 'x=api_key', 'API_KEY=1', 'a=%zz&b=%41', '', '&&', 'a=b=c']) {
    expect(takeFromQuery(query, 'api_key').count).toBe(0);
    expect(withoutKeys(query, ['api_key'])).toBe(query);
  }
});

test('broken escapes are no key, a second pair is a second key', () => {
  expect(takeFromQuery('api_key=%zz', 'api_key')).toMatchObject({ count: 1, value: null });
  expect(takeFromQuery('api_key=%ff', 'api_key')).toMatchObject({ count: 1, value: null });
  expect(takeFromQuery('api_key=a&api_key=b', 'api_key').count).toBe(2);
  expect(takeFromQuery('api_key', 'api_key')).toMatchObject({ count: 1, value: '' });
});
