/**
 * `npm start`: a control plane on an embedded Postgres, one gateway node and a sample upstream, as child processes of
 * this one. It composes and supervises; it imports neither.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, supervise } from './child.ts';
import { type Config, type ConfigProblem, readConfig } from './config.ts';
import { RunRecord } from './earlier-run.ts';
import { applySample, saveContext } from './first-run.ts';
import { dataDirProblem, nodeProblem, portProblems } from './preflight.ts';

const START_DEADLINE_MS = 60_000;
const EARLIER_RUN_MS = 12_000;
const RUN_RECORD = 'processes';
const say = (text: string): void => void process.stderr.write(`${text}\n`);

function stopWith(problems: readonly ConfigProblem[]): never {
  for (const problem of problems) say(`fluxgate: ${problem.why}.\n  ${problem.remedy}`);
  process.exit(1);
}

/** Polls a readiness endpoint; false when the child died or the deadline passed. */
async function ready(url: string, child: Child): Promise<boolean> {
  const deadlineMs = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadlineMs && child.running) {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok === true) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

async function run(config: Config): Promise<void> {
  const startedMs = Date.now();
  const inDir = (...parts: string[]): string => join(config.dataDir, ...parts);
  for (const dir of ['logs', 'node', 'bootstrap', 'secrets']) mkdirSync(inDir(dir), { recursive: true, mode: 0o700 });
  if (!existsSync(inDir('kek')))
    writeFileSync(inDir('kek'), `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });

  const base = Object.fromEntries(
    Object.entries(process.env).filter(
      // A shell's VAULT_ADDR is for its owner's work: a try-out must not keep its peppers in the company's Vault.
      ([name, value]) => value !== undefined && !/^(FLUXGATE|VAULT)_/.test(name) && name !== 'DATABASE_URL',
    ),
  ) as Record<string, string>;
  for (const [name, value] of Object.entries(process.env))
    if (name.startsWith('FLUXGATE_SECRET_') && value !== undefined) base[name] = value;
  const app = (name: string): string => join(config.home, 'apps', name, 'dist', 'main.js');
  const followParent = join(import.meta.dirname, 'follow-parent.js');
  const children: (Child & { ready(): void })[] = [];
  const record = new RunRecord(inDir(RUN_RECORD), process.pid);
  let stopping = false;

  const stop = async (code: number): Promise<void> => {
    if (stopping) process.exit(code);
    stopping = true;
    // Traffic first: the node drains while the control plane still takes its last usage report.
    for (const child of [...children].reverse()) await child.stop(10_000);
    process.exit(code);
  };
  const start = (name: string, script: string, args: string[], env: Record<string, string>): Child & { ready(): void } => {
    const logFile = inDir('logs', `${name}.log`);
    const child = supervise(
      { name, script, args, env: { ...base, ...env }, logFile, followParent },
      {
        started: (pid) => record.add(pid),
        exited: say,
        givenUp: (tail) => {
          if (stopping) return;
          say(
            `fluxgate: the ${name} could not be kept running. Its last words:\n${tail.split('\n').slice(-8).join('\n')}\n  The whole log: ${logFile}`,
          );
          void stop(1);
        },
      },
      Date.now,
    );
    children.push(child);
    return child;
  };
  process.on('SIGINT', () => void stop(0));
  process.on('SIGTERM', () => void stop(0));

  start('sample-upstream', join(import.meta.dirname, 'sample-upstream.js'), [String(config.samplePort)], {}).ready();

  say('• starting the control plane (embedded Postgres)');
  const controlPlane = start('control-plane', app('control-plane'), ['serve'], {
    DATABASE_URL: `pglite:${inDir('postgres')}`,
    FLUXGATE_KEK_FILE: inDir('kek'),
    FLUXGATE_SECRETS_DIR: inDir('secrets'),
    FLUXGATE_ADMIN_PORT: String(config.adminPort),
    FLUXGATE_BOOTSTRAP_DIR: inDir('bootstrap'),
  });
  if (!(await ready(`http://127.0.0.1:${config.adminPort}/readyz`, controlPlane)))
    return giveUp('control plane', controlPlane, stop);
  controlPlane.ready();

  say('• starting the gateway node');
  const gateway = start('gateway', app('gateway'), [], {
    FLUXGATE_CONTROL_PLANE: `http://127.0.0.1:${config.adminPort}`,
    FLUXGATE_NODE_TOKEN_FILE: inDir('bootstrap', 'node.token'),
    FLUXGATE_DATA_DIR: inDir('node'),
    FLUXGATE_GATEWAY_PORT: String(config.gatewayPort),
    FLUXGATE_STATUS_PORT: String(config.statusPort),
    FLUXGATE_NODE_NAME: 'local-1',
    ...(config.workers === null ? {} : { FLUXGATE_WORKERS: String(config.workers) }),
  });
  if (!(await ready(`http://127.0.0.1:${config.statusPort}/readyz`, gateway))) return giveUp('gateway', gateway, stop);
  gateway.ready();

  const token = readFileSync(inDir('bootstrap', 'admin.token'), 'utf8').trim();
  const first = !existsSync(inDir('sample-applied'));
  if (first) {
    const revision = await applySample(config, token);
    writeFileSync(inDir('sample-applied'), `${revision ?? 0}\n`);
  }
  const contextTrouble = await saveContext(config, token, process.env);
  say(`✓ FluxGate is up after ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
  process.stdout.write(greeting(config, first));
  if (contextTrouble !== null)
    say(
      `note: the fluxctl context "local" was not saved (${contextTrouble}). Use FLUXCTL_SERVER=http://127.0.0.1:${config.adminPort} and FLUXCTL_TOKEN_FILE=${inDir('bootstrap', 'admin.token')}`,
    );
}

async function giveUp(name: string, child: Child, stop: (code: number) => Promise<void>): Promise<void> {
  if (child.running)
    say(
      `fluxgate: the ${name} did not become ready within ${START_DEADLINE_MS / 1000} s. Its last words:\n${child.tail().split('\n').slice(-8).join('\n')}`,
    );
  await stop(1);
}

function greeting(config: Config, first: boolean): string {
  const gateway = `http://127.0.0.1:${config.gatewayPort}`;
  return [
    `  gateway     ${gateway}`,
    `  admin API   http://127.0.0.1:${config.adminPort}`,
    `  node status http://127.0.0.1:${config.statusPort}/readyz`,
    `  data        ${config.dataDir}${first ? '' : '  (found, and used again)'}`,
    '',
    'In another terminal:',
    `  curl -i ${gateway}/internal/gateway`,
    '      401: nobody gets in without a key',
    '  npx fluxctl keys generate --name analytics-service --scope read:metrics --quota 50000/d --expiry 90d',
    `  curl -i -H "X-FluxGate-API-Key: <the key it printed>" ${gateway}/internal/gateway`,
    '      200: the sample upstream answers',
    '',
    'Ctrl-C stops everything.',
    '',
  ].join('\n');
}

/** The processes of a run that was killed stop by themselves; they hold ports and the database until then. */
async function earlierRunIsGone(config: Config): Promise<void> {
  const path = join(config.dataDir, RUN_RECORD);
  const deadlineMs = Date.now() + EARLIER_RUN_MS;
  if (RunRecord.left(path).length > 0) say('• waiting for an earlier run to stop');
  while (RunRecord.left(path).length > 0 && Date.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 100));
}

const home = process.env['FLUXGATE_HOME'] ?? join(import.meta.dirname, '..', '..', '..');
const config = readConfig(process.env, home);
if (Array.isArray(config)) stopWith(config);
const early = [nodeProblem(process.versions.node), dataDirProblem(config.dataDir)].filter((problem) => problem !== null);
if (early.length === 0) await earlierRunIsGone(config);
const late = early.length > 0 ? [] : await portProblems(config);
if (early.length + late.length > 0) stopWith([...early, ...late]);
run(config).catch((error: unknown) => {
  say(`fluxgate: ${error instanceof Error ? error.message : String(error)}.\n  Logs: ${join(config.dataDir, 'logs')}`);
  process.exit(1);
});
