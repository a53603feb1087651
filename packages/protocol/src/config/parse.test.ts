import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseConfig } from './index.ts';

const FIXTURES = new URL('../../fixtures/', import.meta.url);
test('try', () => {
  const p = parseConfig([{ name: 'broken.yaml', text: readFileSync(new URL('broken.yaml', FIXTURES), 'utf8') }]);
  writeFileSync(
    '/tmp/golden.txt',
    p.diagnostics.map((d) => `${d.line}:${d.column} ${d.severity} ${d.code}: ${d.message}\n    → ${d.remedy ?? '–'}\n`).join(''),
  );
  expect(1).toBe(1);
});
