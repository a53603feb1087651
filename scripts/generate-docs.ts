/**
 * Writes the generated reference pages: `node scripts/generate-docs.ts`. `--check` fails, and says which, when a page has drifted.
 * A page is what its source says: the schema of fluxgate.yaml, the settings tables of the apps, the catalogue of refusals, the operations.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pages } from './reference-pages.ts';

const root = join(import.meta.dirname, '..');
const check = process.argv.includes('--check');
const drifted: string[] = [];

for (const page of pages()) {
  const path = join(root, page.path);
  let before = '';
  try {
    before = readFileSync(path, 'utf8');
  } catch {
    // A new page.
  }
  if (before === page.text) continue;
  if (check) drifted.push(page.path);
  else writeFileSync(path, page.text);
}
if (drifted.length > 0) {
  console.error(`drifted from their source: ${drifted.join(', ')}\n  Run: node scripts/generate-docs.ts`);
  process.exitCode = 1;
}
