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
const given = process.argv.slice(2);
const SCENARIOS = 'packages/testkit/scenarios';
// Scenarios start many processes and state bounds of time: one after the other, and after everything else.
const runs =
  given.length > 0
    ? [given]
    : [
        ['--maxWorkers=2', `--testPathIgnorePatterns=${SCENARIOS}`, '--testPathIgnorePatterns=/node_modules/'],
        ['--runInBand', SCENARIOS],
      ];
let passed = 0;
let failed = 0;
let broken = false;
for (const [index, args] of runs.entries()) {
  const report = join(dir, `report-${index}.json`);
  const code = await runNode24(
    [
      '--disable-warning=ExperimentalWarning',
      '--experimental-vm-modules',
      join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      '--json',
      `--outputFile=${report}`,
      ...args,
    ],
    // `node` of the system runs fluxctl in its tests, as it does for users.
    { ...servers.env, FLUXGATE_TEST_NODE: process.execPath, FLUXGATE_HOME: root, NODE_ENV: 'test' },
  );
  const results = isFile(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
  passed += results?.numPassedTests ?? 0;
  failed += (results?.numFailedTests ?? 0) + (results?.numRuntimeErrorTestSuites ?? 0);
  broken ||= code !== 0 || results === null;
}
await servers.stop();

rmSync(dir, { recursive: true, force: true });
for (const line of servers.leftOut) process.stdout.write(`${line}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = broken || failed > 0 || passed === 0 ? 1 : 0;
