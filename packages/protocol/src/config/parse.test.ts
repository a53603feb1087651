import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { configReference, diagnose, emptyConfig, mergeConfig, parseConfig, renderConfig } from './index.ts';
const FIXTURES = new URL('../../fixtures/', import.meta.url);
test('try', () => {
  for (const f of ['fluxgate.yaml', ...readdirSync(new URL('seeds/', FIXTURES)).map((n) => `seeds/${n}`)]) {
    const p = parseConfig([{ name: f, text: readFileSync(new URL(f, FIXTURES), 'utf8') }]);
    console.log(f, JSON.stringify(p.diagnostics, null, 1), JSON.stringify(p.input, null, 1));
    const c = mergeConfig(emptyConfig(), p.input);
    console.log(renderConfig(c));
    console.log(JSON.stringify(diagnose(c, p.positions), null, 1));
    const again = parseConfig([{ name: 'r', text: renderConfig(c) }]);
    expect(again.diagnostics).toEqual([]);
    expect(mergeConfig(emptyConfig(), again.input)).toEqual(c);
  }
  console.log(configReference());
});
