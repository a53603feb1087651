#!/usr/bin/env node
// The launcher: answers --version by itself, switches the compile cache on before the first import that is worth caching.
import { readFileSync } from 'node:fs';
import module from 'node:module';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`error: fluxctl needs Node 20.19 or newer; this is ${process.versions.node} (${process.execPath})\n`);
  process.exitCode = 1;
} else if (process.argv.length === 3 && (process.argv[2] === '--version' || process.argv[2] === '-V')) {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`fluxctl ${version}\n`);
} else {
  module.enableCompileCache?.();
  try {
    await import('../dist/main.js');
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.url ?? error.message).includes('dist/main.js')) throw error;
    process.stderr.write('error: fluxctl is not built yet\n  Build it: npm start (everything) or npm run build\n');
    process.exitCode = 1;
  }
}
