import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type BenchCase, CASES } from './cases.ts';
import { makeKeys } from './keys.ts';
import { measure, median, residentKiB, type Sample } from './measure.ts';
import { findProgram, type Peer, type Surroundings, startGateway, startPeers, startUpstream } from './peers.ts';
import { type GatewayReport, type IdleRow, machineName, type Row, table, writeReport } from './report.ts';

export interface GatewayBenchOptions {
  /** Names of cases; null: all. */
  readonly cases?: readonly string[] | null;
  /** haproxy, nginx, caddy, relay; null: all that are installed. */
  readonly peers?: readonly string[] | null;
  readonly rounds?: number;
  readonly seconds?: number;
  /** Idle connections to hold open for the memory figure; 0: none. */
  readonly idle?: number;
  /** Where gateway.json, .svg and .txt go; null: nowhere. */
  readonly results?: string | null;
}

const OURS = join(import.meta.dirname, 'gateway-main.ts');

/**
 * The gateway beside the C proxies, in requests per second of the proxy's processor time: proxy on core 0, load and upstream on core
 * 1, peers in turn within a round, medians over rounds. Needs Linux with wrk, nginx and taskset; peers that are not installed are left out.
 */
export async function runGatewayBench(options: GatewayBenchOptions = {}): Promise<GatewayReport> {
  const rounds = options.rounds ?? 3;
  const seconds = Math.min(options.seconds ?? 4, 6);
  for (const program of ['wrk', 'nginx', 'taskset'])
    if (findProgram(program) === null) throw new Error(`bench gateway needs ${program} on PATH`);
  const dir = mkdtempSync(join(tmpdir(), 'fluxgate-bench-'));
  const running: Peer[] = [];
  try {
    const upstream = await startUpstream(dir);
    if (upstream === null) throw new Error('bench gateway needs nginx as the upstream');
    running.push(upstream);
    const around: Surroundings = { dir, keys: makeKeys(1000), upstreamPort: upstream.port, node: process.execPath };
    const bundle = join(dir, 'gateway.mjs');
    await build({
      entryPoints: [OURS],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      logLevel: 'error',
    });
    const peers = await startPeers(around, options.peers ?? null);
    running.push(...peers);
    const rows: Row[] = [];
    for (const one of CASES) {
      if (options.cases != null && !options.cases.includes(one.name)) continue;
      const ours = await startGateway(around, bundle, one.env);
      running.push(ours);
      rows.push(...(await runCase(one, around, [ours, ...peers], rounds, seconds)));
      await ours.stop();
    }
    const idle = options.idle === 0 ? null : await idleMemory(around, bundle, options.idle ?? 10_000, running);
    const report: GatewayReport = {
      takenAt: new Date().toISOString(),
      machine: machineName(),
      node: process.version,
      rounds,
      seconds,
      rows,
      idle,
    };
    console.log(table(report));
    if (options.results != null) writeReport(options.results, report);
    return report;
  } finally {
    for (const peer of running.reverse()) await peer.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function runCase(
  one: BenchCase,
  around: Surroundings,
  peers: readonly Peer[],
  rounds: number,
  seconds: number,
): Promise<Row[]> {
  const script = join(around.dir, `${one.name}.lua`);
  writeFileSync(script, one.script(around.keys), { mode: 0o600 });
  const samples = new Map<Peer, Sample[]>(peers.map((peer) => [peer, []]));
  const load = (peer: Peer, secs: number) =>
    measure({
      port: peer.port,
      pid: peer.pid,
      script,
      seconds: secs,
      connections: one.connections,
      expectRefusals: one.expectRefusals,
    });
  for (const peer of peers) await load(peer, 1);
  for (let round = 0; round < rounds; round++) for (const peer of peers) samples.get(peer)!.push(await load(peer, seconds));
  const bar = peers.find((peer) => peer.name === 'haproxy');
  return peers.map((peer) => {
    const mine = samples.get(peer)!;
    const against =
      bar === undefined ? null : median(mine.map((sample, i) => sample.perCoreSecond / samples.get(bar)![i]!.perCoreSecond));
    return {
      case: one.name,
      peer: peer.name,
      perCoreSecond: median(mine.map((sample) => sample.perCoreSecond)),
      againstHaproxy: against,
      p50Ms: median(mine.map((sample) => sample.p50Ms)),
      p99Ms: median(mine.map((sample) => sample.p99Ms)),
      memoryMiB: residentKiB(peer.pid) / 1024,
      unexpected: mine.reduce((sum, sample) => sum + sample.unexpected, 0),
    };
  });
}

/** Resident memory before and after so many connections were opened, each after one answered request. */
async function idleMemory(around: Surroundings, bundle: string, connections: number, running: Peer[]): Promise<IdleRow> {
  const ours = await startGateway(around, bundle);
  running.push(ours);
  const request = `GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n`;
  const open = (): Promise<net.Socket> =>
    new Promise((resolve, reject) => {
      const socket = net.connect(ours.port, '127.0.0.1', () => socket.write(request));
      socket.once('data', () => resolve(socket));
      socket.once('error', reject);
    });
  for (let i = 0; i < 200; i++) (await open()).destroy();
  const before = residentKiB(ours.pid);
  const sockets: net.Socket[] = [];
  while (sockets.length < connections)
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(50, connections - sockets.length) }, open))));
  const after = residentKiB(ours.pid);
  for (const socket of sockets) socket.destroy();
  await ours.stop();
  return { connections, kibPerConnection: (after - before) / connections };
}

if (process.argv[1] === import.meta.filename) {
  const value = (name: string): string | undefined =>
    process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  const list = (name: string): string[] | null => value(name)?.split(',') ?? null;
  await runGatewayBench({
    cases: list('cases'),
    peers: list('peers'),
    rounds: Number(value('rounds') ?? 3),
    seconds: Number(value('seconds') ?? 4),
    idle: Number(value('idle') ?? 10_000),
    results: value('results') ?? null,
  });
}
