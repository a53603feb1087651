/** `npm test [jest arguments]`: install, build, run every suite this machine can run, say what was left out. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, isFile, requireNode, root, runNode24 } from './bootstrap.mjs';
import { startServers } from './test-servers.mjs';

requireNode();
ensureInstalled();
ensureBuilt();

const servers = await startServers().catch((error) => {
  process.stderr.write(`fluxgate: ${error.message}\n`);
  process.exit(1);
});
const dir = mkdtempSync(join(tmpdir(), 'fluxgate-test-'));
const report = join(dir, 'report.json');
// The suites start many processes themselves: more than two at once measures only the scheduler.
const code = await runNode24(
  [
    '--disable-warning=ExperimentalWarning',
    '--experimental-vm-modules',
    join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    '--maxWorkers=2',
    '--json',
    `--outputFile=${report}`,
    ...process.argv.slice(2),
  ],
  // `node` of the system runs fluxctl in its tests, as it does for users.
  { ...servers.env, FLUXGATE_TEST_NODE: process.execPath, FLUXGATE_HOME: root, NODE_ENV: 'test' },
);
await servers.stop();

const results = isFile(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
rmSync(dir, { recursive: true, force: true });
for (const line of servers.leftOut) process.stdout.write(`${line}\n`);
const passed = results?.numPassedTests ?? 0;
const failed = (results?.numFailedTests ?? 0) + (results?.numRuntimeErrorTestSuites ?? 0);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = code !== 0 || failed > 0 || passed === 0 ? 1 : 0;
