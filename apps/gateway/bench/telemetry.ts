/**
 * What logs, metrics and spans cost: the same gateway with nothing on and with more and more on, rounds in turn, best of each.
 * Usage: telemetry.ts [--rounds=15] [--seconds=1]. Gateway on core 0, load, upstream and collector on core 1.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { byKey, wrkScript } from './cases.ts';
import { makeKeys, writtenKeys } from './keys.ts';
import { measure, median } from './measure.ts';
import { cores, freePort, type Peer, runDirectory, start, startUpstream } from './peers.ts';

const value = (name: string, fallback: number): number =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? fallback);
const rounds = Math.min(value('rounds', 15), 40);
const seconds = Math.min(value('seconds', 1), 6);

const dir = runDirectory();
const collector = createServer((request, response) => {
  request.resume();
  request.on('end', () => response.end('{}'));
}).listen(0, '127.0.0.1');
await new Promise((resolve) => collector.once('listening', resolve));
const otlp = { BENCH_OTLP: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` };
/** The mean of the three best: what else runs on the machine only ever slows a round down. */
const best = (values: readonly number[]): number => {
  const [a = 0, b = a, c = b] = [...values].sort((x, y) => y - x);
  return (a + b + c) / 3;
};

const MODES: readonly (readonly [name: string, env: Readonly<Record<string, string>>])[] = [
  ['off', { BENCH_TELEMETRY: 'off' }],
  ['metrics, refusals logged (default)', { BENCH_TELEMETRY: 'refusals' }],
  ['metrics, 1/100 logged, 1/100 traced', { BENCH_TELEMETRY: 'sampled:1/100', ...otlp, BENCH_TRACE_RATIO: '0.01' }],
  ['metrics, all logged', { BENCH_TELEMETRY: 'all' }],
  ['metrics, all logged, all traced', { BENCH_TELEMETRY: 'all', ...otlp, BENCH_TRACE_RATIO: '1' }],
];

const running: Peer[] = [];
try {
  const upstream = await startUpstream(dir);
  if (upstream === null) throw new Error('nginx is needed as the upstream');
  running.push(upstream);
  const keys = makeKeys(1000);
  const url = `http://127.0.0.1:${upstream.port}`;
  const keysFile = join(dir, 'keys.json');
  writeFileSync(keysFile, writtenKeys(keys), { mode: 0o600 });
  const bundle = join(dir, 'gateway.mjs');
  const entry = join(import.meta.dirname, 'gateway-main.ts');
  await build({
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    logLevel: 'error',
  });
  const script = join(dir, 'load.lua');
  writeFileSync(script, wrkScript(byKey(keys)), { mode: 0o600 });
  const peers: Peer[] = [];
  for (const [name, env] of MODES) {
    const port = await freePort();
    const settings = Object.entries(env).map(([setting, content]) => `${setting}=${content}`);
    const argv = ['env', ...settings, process.execPath, bundle, String(port), url, keysFile];
    peers.push(await start(name, cores().proxy, port, argv));
  }
  running.push(...peers);
  const load = (peer: Peer, secs: number) =>
    measure({ port: peer.port, pid: peer.pid, script, seconds: secs, connections: 64, expectRefusals: false });
  for (const peer of peers) await load(peer, 2);
  const rates: number[][] = peers.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const i of peers.keys())
      rates[(i + round) % peers.length]!.push((await load(peers[(i + round) % peers.length]!, seconds)).perCoreSecond);
  for (const [i, [name]] of MODES.entries()) {
    const price = (1 - best(rates[i]!) / best(rates[0]!)) * 100;
    console.log(
      `${name.padEnd(40)} ${best(rates[i]!).toFixed(0).padStart(7)} req/core-s  ${price.toFixed(1).padStart(6)} % (median ${median(rates[i]!).toFixed(0)})`,
    );
  }
} finally {
  for (const peer of running.reverse()) await peer.stop();
  collector.close();
  collector.closeAllConnections();
  rmSync(dir, { recursive: true, force: true });
}
