import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { pages } from './reference-pages.ts';

const root = join(import.meta.dirname, '..');

test.each(pages().map((page) => [page.path, page] as const))('the reference page %s says what its source says', (path, page) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(page.text);
});

test('every program, every refusal and every block of fluxgate.yaml stands in the reference', () => {
  const all = pages()
    .map((page) => page.text)
    .join('\n');
  for (const name of [
    'DATABASE_URL',
    'FLUXGATE_NODE_TOKEN_FILE',
    'FLUXGATE_GATEWAY_PORT',
    '`invalid_api_key`',
    '`rotation_in_progress`',
    'header_name',
    'clockSkewTolerance',
  ])
    expect(all).toContain(name);
});
