import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { diagnose, emptyConfig, mergeConfig, parseConfig, renderConfig } from './index.ts';

const read = (name: string): string => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8');
const SOURCES = [
  read('fluxgate.yaml'),
  read('broken.yaml'),
  ...['api-key', 'jwt', 'oauth2', 'route-jwt'].map((name) => read(`seeds/${name}.yaml`)),
];
const SHARDS = [
  '{',
  '}',
  '[',
  ']',
  ': ',
  '- ',
  '\n',
  '\t',
  '"',
  "'",
  '&a ',
  '*a',
  '!x ',
  '---\n',
  '#',
  '|',
  '%',
  '\u0000',
  '\ufeff',
  '\ud800',
  'null',
  '0',
  '1e999',
  '<<: *a',
  '? ',
  'any_of: ',
  'route: ',
  'fluxgate: ',
];

/** One of the files, cut and patched at random places. */
const mangled = fc
  .tuple(
    fc.constantFrom(...SOURCES),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 40 }), fc.oneof(fc.constantFrom(...SHARDS), fc.string({ maxLength: 5 }))), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([source, edits]) =>
    edits.reduce((text, [at, cut, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut), source),
  );

test('whatever a file holds, the reader answers with values and places, and never throws', () => {
  fc.assert(
    fc.property(mangled, (text) => {
      const { input, diagnostics, positions } = parseConfig([{ name: 'a', text }]);
      for (const one of diagnostics) {
        expect(one.line).toBeGreaterThan(0);
        expect(one.column).toBeGreaterThan(0);
        expect(one.message).not.toMatch(/\n|undefined|\[object/);
      }
      const config = mergeConfig(emptyConfig(), input);
      diagnose(config, positions);
      if (diagnostics.some((one) => one.severity === 'error')) return;
      const again = parseConfig([{ name: 'b', text: renderConfig(config) }]);
      expect(again.diagnostics.filter((one) => one.severity === 'error')).toEqual([]);
      expect(mergeConfig(emptyConfig(), again.input)).toEqual(config);
    }),
    { numRuns: 1000 },
  );
});
