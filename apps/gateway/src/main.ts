#!/usr/bin/env node
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { readFileSync, write as writeTo } from 'node:fs';
import { createServer as createProbe } from 'node:net';
import type { SettingProblem } from '@fluxgate/protocol/settings';
import { readConfig, settingsReference } from './config.ts';
import { createLeaseMemory, createRateMemory, createReplayMemory, monotonicClock } from './memory/index.ts';
import { startNode } from './supervisor.ts';
import { LineWriter } from './telemetry/lineWriter.ts';

declare const FLUXGATE_VERSION: string;

const NODE_MAJOR = 24;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const STDOUT = 1;
/** Bytes of the access log that may wait for a slow reader of stdout. */
const LINES_WAITING_MAX = 8 * 1024 * 1024;
const FLUSH_MS = 1000;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function giveUp(
  code: number,
  problems: readonly { readonly name?: string; readonly why: string; readonly remedy: string }[],
): never {
  for (const { name, why, remedy } of problems)
    say(`fluxgate-gateway: ${name === undefined ? '' : `${name}: `}${why}\n  ${remedy}`);
  process.exit(code);
}

/** Workers share their port, and would share it with a stranger's workers too: so ask for it alone first. */
function probe(name: string, port: number, host: string): Promise<SettingProblem | null> {
  if (port === 0) return Promise.resolve(null);
  return new Promise((resolve) => {
    const server = createProbe();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(listenProblem(name, port, host, error.code ?? error.message)));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

function listenProblem(name: string, port: number, host: string, code: string): SettingProblem {
  if (code === 'EADDRINUSE')
    return {
      name,
      why: `port ${port} on ${host} is taken by another program`,
      remedy: `Stop it, or set ${name} to a free port.`,
    };
  if (code === 'EACCES')
    return {
      name,
      why: `this user may not listen on port ${port}`,
      remedy: `Set ${name} to a port above 1023, or grant CAP_NET_BIND_SERVICE.`,
    };
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return {
      name: name.replace('_PORT', '_HOST'),
      why: `${host} is no address of this machine`,
      remedy: 'Write one that is, 127.0.0.1 for this machine only, 0.0.0.0 for all of them.',
    };
  }
  return { name, why: `cannot listen on ${host} port ${port} (${code})`, remedy: 'Choose another address or port.' };
}

/** So that nobody outside can choose subjects that collide. */
const seed = (): readonly [number, number] => [randomInt(2 ** 32), randomInt(2 ** 32)];

async function main(): Promise<void> {
  const argument = process.argv[2];
  if (argument === '--version' || argument === 'version') {
    process.stdout.write(`${FLUXGATE_VERSION}\n`);
    return;
  }
  if (argument === '--help' || argument === 'help') {
    process.stdout.write(
      `fluxgate-gateway takes its settings from the environment, or from the YAML file named by FLUXGATE_CONFIG.\n\n${settingsReference()}\n`,
    );
    return;
  }
  if (argument !== undefined && argument !== 'serve') {
    giveUp(EXIT_USAGE, [
      { why: `unknown argument "${argument}"`, remedy: 'Settings come from the environment; see fluxgate-gateway --help.' },
    ]);
  }
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
    giveUp(EXIT_USAGE, [{ why: `Node ${process.versions.node} is too old`, remedy: `Run it with Node ${NODE_MAJOR} or newer.` }]);
  }
  const read = readConfig(process.env, (path) => readFileSync(path, 'utf8'));
  if ('problems' in read) giveUp(EXIT_USAGE, read.problems);
  const { config } = read;
  const taken = [
    await probe('FLUXGATE_GATEWAY_PORT', config.port, config.host),
    await probe('FLUXGATE_STATUS_PORT', config.statusPort, config.statusHost),
  ].filter((problem) => problem !== null);
  if (taken.length > 0) giveUp(EXIT_FAILED, taken);

  const out = new LineWriter({
    write: (bytes, done) => writeTo(STDOUT, bytes, done),
    after: (ms, run) => setTimeout(run, ms),
    waitingMax: LINES_WAITING_MAX,
  });
  const node = await startNode({
    config,
    version: FLUXGATE_VERSION,
    bootId: randomUUID(),
    syncEntry: new URL('./sync-thread.js', import.meta.url),
    workerEntry: new URL('./worker-thread.js', import.meta.url),
    servicesEntry: new URL('./services-thread.js', import.meta.url),
    leases: createLeaseMemory(seed(), monotonicClock()()),
    rates: createRateMemory(seed()),
    replays: createReplayMemory(randomBytes(16), Date.now() / 1000),
    sharesPorts: process.platform === 'linux' || process.platform === 'freebsd',
    nowMs: () => Date.now(),
    write: (line) => out.push(line),
    offerLines: (lines) => out.offer(lines),
    onFatal: (why, remedy) => giveUp(EXIT_FAILED, [{ why, remedy }]),
  });
  if ('code' in node) giveUp(EXIT_FAILED, [listenProblem(node.name, node.port, node.host, node.code)]);

  let stopping = false;
  const stop = (signal: NodeJS.Signals, code: number): void => {
    if (stopping) process.exit(code); // asked twice: now
    stopping = true;
    node
      .stop(signal)
      .then(() => out.flush(FLUSH_MS))
      .then(
        () => process.exit(0),
        (error: unknown) => {
          say(`fluxgate-gateway: stopping failed: ${String(error)}`);
          process.exit(EXIT_FAILED);
        },
      );
  };
  process.on('SIGTERM', () => stop('SIGTERM', 143));
  process.on('SIGINT', () => stop('SIGINT', 130));
  process.on('SIGHUP', () => node.reload());
}

await main();
