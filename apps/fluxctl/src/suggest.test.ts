import { expect, test } from '@jest/globals';
import { didYouMean, editDistance, nearest } from './suggest.ts';

test('two neighbouring letters swapped are one mistake', () => {
  expect([editDistance('kyes', 'keys'), editDistance('keys', 'keys'), editDistance('', 'abc')]).toEqual([1, 0, 3]);
});

test('what is far from every known word gets no suggestion', () => {
  expect(nearest('frobnicate', ['keys', 'nodes'])).toEqual([]);
  expect(didYouMean('frobnicate', ['keys'])).toBeNull();
});

test('the nearest word comes first, a beginning counts as near', () => {
  expect(nearest('rotat', ['rotations', 'rotate', 'routes'])[0]).toBe('rotate');
  expect(nearest('gene', ['generate', 'get'])).toEqual(['generate']);
});
