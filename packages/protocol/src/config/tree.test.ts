import { expect, test } from '@jest/globals';
import { parseConfig } from './index.ts';

const codes = (text: string): string[] => parseConfig([{ name: 'a.yaml', text }]).diagnostics.map((one) => one.code);
const first = (text: string) => parseConfig([{ name: 'a.yaml', text }]).diagnostics[0];

test('a bomb of aliases is refused before it unfolds', () => {
  const layers = Array.from({ length: 12 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(', ')}]`);
  const started = performance.now();
  expect(codes(`l0: &l0 [x, x]\n${layers.join('\n')}\nfluxgate: {}`)).toContain('too_large');
  expect(performance.now() - started).toBeLessThan(5000);
});

test('an alias stands for the value it names, a few times', () => {
  const { input, diagnostics } = parseConfig([{ name: 'a', text: 'upstreams:\n  a: &a { targets: ["http://a"] }\n  b: *a' }]);
  expect(diagnostics).toEqual([]);
  expect(input.upstreams.map((one) => one.targets)).toEqual([[{ url: 'http://a', weight: 1 }], [{ url: 'http://a', weight: 1 }]]);
});

test('an alias inside the value it names is refused', () => {
  expect(codes('upstreams: &a { x: *a }')).toContain('yaml_syntax');
});

test('lists nested a hundred thousand deep are refused, not followed', () => {
  expect(codes(`route: ${'['.repeat(100_000)}`)).toEqual(['too_large']);
  expect(codes('- '.repeat(100_000))).toEqual(['too_large']);
  expect(codes(`route: ${'['.repeat(60)}${']'.repeat(60)}`)).toContain('too_large');
});

test('a file beyond the size limit is refused unread', () => {
  expect(codes('#'.repeat(2_000_001))).toEqual(['too_large']);
});

test.each([
  ['route: /a\nroute: /b', 'duplicate_key', 2, 1],
  ['route: !env A', 'yaml_syntax', 1, 13],
  ['%YAML 1.1\n---\nroute: /a', 'yaml_syntax', 2, 1],
  ['route: /a\n\tupstream: b', 'yaml_syntax', 2, 1],
  ['route: "/a', 'yaml_syntax', 1, 8],
  ['? [a]\n: b\nroute: /a', 'yaml_syntax', 1, 3],
  ['__proto__: {}\nroute: /a', 'yaml_syntax', 1, 1],
  ['route:', 'wrong_type', 1, 1],
  ['just text', 'wrong_type', 1, 1],
])('%j is refused at its place', (text, code, line, column) => {
  expect(first(text)).toMatchObject({ severity: 'error', code, line, column });
});

test('a mistake in the syntax of one document hides no mistake of another', () => {
  expect(codes('route: /a\nbad: [\n---\nroute: /b\nnope: 1')).toEqual(expect.arrayContaining(['yaml_syntax', 'unknown_field']));
});

test('a file that is empty is a warning, empty documents are nothing', () => {
  expect(first('  \n')).toMatchObject({ severity: 'warning', code: 'empty_file' });
  expect(codes('---\n---\n# only words\n---\nroute: /a\n---\n')).toEqual([]);
});

test('more mistakes than anybody reads are counted, not listed', () => {
  const { diagnostics } = parseConfig([
    { name: 'a', text: `route: /a\n${Array.from({ length: 1500 }, (_, n) => `x${n}: 1`).join('\n')}` },
  ]);
  expect(diagnostics).toHaveLength(1001);
  expect(diagnostics.at(-1)?.message).toMatch(/^500 more/);
});

test('ten thousand routes are read in seconds', () => {
  const text = Array.from(
    { length: 10_000 },
    (_, n) => `route: /r/${n}\nupstream: http://127.0.0.1:9000\nmiddleware:\n  - api_key: { scopes: ["read:r${n}"] }\n`,
  ).join('---\n');
  const { input, diagnostics } = parseConfig([{ name: 'a', text }]);
  expect(diagnostics).toEqual([]);
  expect(input.routes).toHaveLength(10_000);
});
