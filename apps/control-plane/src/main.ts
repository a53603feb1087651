import { readFileSync } from 'node:fs';
import { CannotOpen, DatabaseUnavailable } from '@fluxgate/stores';
import { KekRefused, SecretUnreadable } from '@fluxgate/stores/secrets';
import { type Config, readConfig } from './config.ts';
import { systemDoor } from './door.ts';
import { createLog } from './log.ts';
import { createAdmin, parseAdminOrder } from './start/admin-create.ts';
import { CannotListen } from './start/listen.ts';
import { open } from './start/open.ts';
import { serve } from './start/serve.ts';

declare const FLUXGATE_VERSION: string;

const USAGE = `usage: fluxgate-control-plane serve
       fluxgate-control-plane admin create --name N [--role admin] [--realm live]
       fluxgate-control-plane migrate

Settings come from the environment, or from the YAML file named by FLUXGATE_CONFIG.
`;
const say = (text: string): void => void process.stderr.write(`fluxgate-control-plane: ${text}\n`);

/** Refusals with a remedy in them are told as one sentence; everything else is a fault and shows where it happened. */
function tell(error: unknown): void {
  const plain = [CannotOpen, CannotListen, DatabaseUnavailable, KekRefused, SecretUnreadable].some(
    (kind) => error instanceof kind,
  );
  say(plain ? (error as Error).message : error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function configured(): Config | null {
  const read = readConfig(process.env, (path) => readFileSync(path, 'utf8'));
  if ('config' in read) return read.config;
  for (const { name, why, remedy } of read.problems) process.stderr.write(`${name}: ${why}\n  ${remedy}\n`);
  return null;
}

async function runServe(config: Config): Promise<number> {
  const log = createLog(config.logLevel, (line) => void process.stderr.write(line), systemDoor.nowMs);
  const running = await serve(config, { door: systemDoor, log, env: process.env, version: FLUXGATE_VERSION });
  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  log.info({ signal }, 'shutting down');
  // A second signal ends it at once.
  process.once('SIGTERM', () => process.exit(1));
  process.once('SIGINT', () => process.exit(1));
  await running.stop();
  return 0;
}

async function runAdminCreate(config: Config, args: readonly string[]): Promise<number> {
  const order = parseAdminOrder(args);
  if ('problems' in order) {
    for (const one of order.problems) say(one);
    return 2;
  }
  const opened = await open(config, systemDoor, () => undefined);
  try {
    process.stdout.write(`${await createAdmin(opened, order, systemDoor)}\n`);
    say(`this token of ${order.name} (role ${order.role}, realm ${order.realm}) is shown once`);
    return 0;
  } finally {
    await opened.db.close();
  }
}

async function runMigrate(config: Config): Promise<number> {
  const opened = await open(config, systemDoor, () => undefined);
  await opened.db.close();
  say('the tables are up to date');
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  const [command, sub] = args;
  if (command === '--version') {
    process.stdout.write(`${FLUXGATE_VERSION}\n`);
    return 0;
  }
  if (command === '--help' || command === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const known =
    (command === 'serve' && args.length === 1) ||
    (command === 'migrate' && args.length === 1) ||
    (command === 'admin' && sub === 'create');
  if (!known) {
    process.stderr.write(USAGE);
    return 2;
  }
  const config = configured();
  if (config === null) return 2;
  if (command === 'serve') return runServe(config);
  return command === 'migrate' ? runMigrate(config) : runAdminCreate(config, args.slice(2));
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    tell(error);
    process.exitCode = 1;
  },
);
