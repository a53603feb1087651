import { formatKey } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import { credentialsIn } from './credential-in-input.ts';

const key = formatKey('k', 'live', 'A'.repeat(12), 'B'.repeat(43));
const token = formatKey('a', 'live', 'C'.repeat(12), 'D'.repeat(43));

test('a key is found wherever it was pasted, and told by its place alone', () => {
  const found = credentialsIn({
    name: key,
    labels: { note: `was ${token}` },
    files: [{ text: `route: /x # ${key}` }],
    ok: 'fgk_live_',
    n: 3,
  });
  expect(found.map((error) => error.field)).toEqual(['name', 'labels.note', 'files.0.text']);
  expect(JSON.stringify(found)).not.toContain(key);
  expect(JSON.stringify(found)).not.toContain(token);
});

test('a key as the name of a field is found, and not repeated in the place', () => {
  const found = credentialsIn({ labels: { [key]: 'x' } });
  expect(found.length).toBe(1);
  expect(JSON.stringify(found)).not.toContain(key);
});

test('masked keys, key ids and ordinary text pass', () => {
  expect(
    credentialsIn({
      name: 'analytics-service',
      key: 'fgk_live_AAAAAAAAAAAA_…x7Qk',
      kid: 'A'.repeat(12),
      deep: [[[null, 1, true]]],
    }),
  ).toEqual([]);
});
