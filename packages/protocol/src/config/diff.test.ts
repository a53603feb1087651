import { expect, test } from '@jest/globals';
import { diagnose, diffConfig, emptyConfig, mergeConfig, parseConfig } from './index.ts';

const parse = (text: string) => parseConfig([{ name: 'a.yaml', text }]);
const configOf = (text: string) => mergeConfig(emptyConfig(), parse(text).input);
const diff = (before: string, after: string) => diffConfig(configOf(before), configOf(after));

test('changes are told by the paths and in the units of the file', () => {
  const before = 'fluxgate: { auth: { api_key: {} } }\nupstreams: { a: { targets: ["http://a"] } }';
  const after =
    'fluxgate: { auth: { api_key: { validation: { max_age: 30d } } } }\nupstreams: { a: { targets: ["http://a", { url: "http://b", weight: 2 }], timeout: { connect: 500ms } } }';
  expect(diff(before, after)).toEqual([
    {
      action: 'update',
      kind: 'settings',
      name: 'fluxgate',
      changes: [{ path: 'auth.api_key.validation.max_age', before: '90d', after: '30d' }],
    },
    {
      action: 'update',
      kind: 'upstream',
      name: 'a',
      changes: [
        { path: 'timeout.connect', before: '2s', after: '500ms' },
        { path: 'targets.1.url', before: null, after: 'http://b' },
        { path: 'targets.1.weight', before: null, after: 2 },
      ],
    },
  ]);
});

test('a changed order of tiers is a change', () => {
  const tier = (name: string) => `${name}: { scope: "${name}", rate: 1/s }`;
  expect(diff(`tiers: { ${tier('a')}, ${tier('b')} }`, `tiers: { ${tier('b')}, ${tier('a')} }`)).toEqual([
    { action: 'update', kind: 'settings', name: 'fluxgate', changes: [{ path: 'tiers', before: ['a', 'b'], after: ['b', 'a'] }] },
  ]);
});

test('what the rules between objects find is told at its line', () => {
  const { input, positions } = parse(
    'upstreams: { metrics: { targets: ["http://a"] } }\n---\nroute: /a\nupstream: metrcs\nmiddleware:\n  - any_of:\n      - api_key: {}\n      - ip_allow: ["10.0.0.0/8"]\n---\nroute: /b\nupstream: metrics\n',
  );
  const found = diagnose(mergeConfig(emptyConfig(), input), positions).filter((one) => one.severity === 'error');
  expect(found.map((one) => [one.line, one.column, one.code])).toEqual([
    [3, 1, 'route_open'],
    [4, 1, 'upstream_unknown'],
    [8, 9, 'any_of_mixed'],
    [10, 1, 'route_open'],
  ]);
});

test('a finding on an object that no file mentions has no line', () => {
  expect(diagnose(configOf('route: /a'), new Map()).map((one) => [one.file, one.line])).toContainEqual(['', 0]);
});

test('what only follows from a refused block or upstream is not told as a mistake of its own', () => {
  const { input, positions, diagnostics } = parse(
    'fluxgate: { auth: { oauth2: { enabled: true } } }\nupstreams: { m: { targets: [] } }\n---\nroute: /a\nupstream: m',
  );
  expect(diagnostics.map((one) => one.code)).toEqual(['missing_field', 'bad_value']);
  expect(diagnose(mergeConfig(emptyConfig(), input), positions)).toEqual([]);
});
