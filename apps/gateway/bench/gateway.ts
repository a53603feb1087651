import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { byKey, CASES, type PeerName, strangers, wrkScript } from './cases.ts';
import { contest, type Lane, type Rounds } from './contest.ts';
import { buildGateway, type GatewayOptions, startGateway } from './fluxgate.ts';
import { idleMemory } from './idle.ts';
import { makeKeys } from './keys.ts';
import { startExpressGateway, startFastify } from './npm-proxies.ts';
import { findProgram, type Peer, runDirectory, startUpstream } from './peers.ts';
import { type StartPeer, type Surroundings, startCaddy, startHaproxy, startNginx, startNginxLua, startRelay } from './proxies.ts';
import { type Figure, type IdleRow, machineName, type Report, type Row, table, writeReport } from './report.ts';

export interface GatewayBenchOptions {
  /** Names of cases; null: all. */
  readonly cases?: readonly string[] | null;
  /** Names of peers; null: all that this machine has or npm can fetch. */
  readonly peers?: readonly string[] | null;
  /** One short round, and only the peers that the figures name. */
  readonly quick?: boolean;
  readonly rounds?: number;
  readonly seconds?: number;
  /** Connections to hold open for the memory figure. */
  readonly idle?: number;
  /** Where gateway.json, .svg and .txt go; null: nowhere. */
  readonly results?: string | null;
}

const MAKERS: Readonly<Record<PeerName, StartPeer>> = {
  haproxy: startHaproxy,
  nginx: startNginx,
  'nginx+lua': startNginxLua,
  caddy: startCaddy,
  fastify: startFastify,
  'express-gateway': startExpressGateway,
  'tcp relay': startRelay,
};
const QUICK: readonly string[] = ['haproxy', 'caddy', 'fastify'];
/** Runs only when named: under Node 24 it stalls for a second at a time, and until that is understood its figure would be unfair to it. */
const ON_REQUEST: readonly string[] = ['express-gateway'];
/** What the figures are made of comes first, for a run that ends early. */
const FIRST: readonly string[] = ['api-key', 'all-checks', 'workers', 'bad-keys', 'half-load', 'idle'];
/** No case begins after it. */
const LIMIT_MS = { full: 10 * 60_000, quick: 95_000 };
const SECONDS_MAX = 6;
const FRESH_SECONDS = 3;

const SAYS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(CASES.map((one) => [one.name, one.says])),
  'routes-1000': 'API key among 1,000 routes, beside the same with three',
  'bad-keys': '401 storm: well-formed keys that nobody was given',
  workers: 'two workers beside one, both on two cores',
  'half-load': 'all at the same rate, half of what the slower of us and HAProxy can do: for the p99',
  idle: 'memory of connections that wait after one request',
};

interface Stage extends Rounds {
  readonly around: Surroundings;
  readonly gateway: Omit<GatewayOptions, 'workers' | 'moreRoutes' | 'name' | 'wide'>;
  readonly ours: Peer;
  readonly peers: readonly Peer[];
}

/**
 * Whole gateway processes beside other proxies, in requests per second of their processor time (user and system, all threads): proxies on the
 * first core, load and upstream on the others, one after the other within a round. Needs Linux with wrk, nginx and taskset; peers that
 * are not here are left out, and said so. Everything started ends with this process.
 */
export async function runGatewayBench(options: GatewayBenchOptions = {}): Promise<Report> {
  const quick = options.quick ?? false;
  const startedMs = performance.now();
  for (const program of ['wrk', 'nginx', 'taskset'])
    if (findProgram(program) === null) throw new Error(`bench gateway needs ${program} on PATH`);
  const dir = runDirectory();
  const notes: string[] = [];
  const note = (text: string): void => {
    notes.push(text);
    process.stderr.write(`bench gateway: ${text}\n`);
  };
  const running: Peer[] = [];
  try {
    const upstream = await startUpstream(dir);
    if (upstream === null) throw new Error('bench gateway needs nginx as the upstream');
    running.push(upstream);
    const certificate = makeCertificate(dir);
    if (certificate === null) note('openssl is not on this machine: no TLS case');
    const around: Surroundings = { dir, keys: makeKeys(1000), upstreamPort: upstream.port, certificate };
    const tlsDir = certificate === null ? null : join(dir, 'tls');
    const gateway = { dir, main: await buildGateway(dir), keys: around.keys, upstreamPort: upstream.port, tlsDir };
    const ours = await startGateway(gateway);
    running.push(ours);
    const wanted = Object.entries(MAKERS).filter(([name]) =>
      options.peers != null ? options.peers.includes(name) : quick ? QUICK.includes(name) : !ON_REQUEST.includes(name),
    );
    const found = await Promise.all(
      wanted.map(([name, make]) => make(around).catch((error: unknown) => `${name} is left out: ${String(error)}`)),
    );
    const peers: Peer[] = [];
    for (const [i, peer] of found.entries()) {
      if (peer === null) note(`${wanted[i]![0]} is left out: it is not on this machine, and npm could not fetch it`);
      else if (typeof peer === 'string') note(peer);
      else peers.push(peer);
    }
    running.push(...peers);
    const stage: Stage = {
      around,
      gateway,
      ours,
      peers,
      dir,
      rounds: quick ? 1 : (options.rounds ?? 3),
      seconds: quick ? 1 : Math.min(options.seconds ?? 3, SECONDS_MAX),
    };
    const rows: Row[] = [];
    const idle: IdleRow[] = [];
    const cases: Readonly<Record<string, () => Promise<void>>> = {
      ...Object.fromEntries(
        CASES.filter((one) => !one.tls || certificate !== null).map((one) => [
          one.name,
          async () =>
            void rows.push(
              ...(await contest(
                one.name,
                lanesOf(stage, one.name),
                one === CASES[0] ? { ...stage, warmSeconds: FRESH_SECONDS } : stage,
              )),
            ),
        ]),
      ),
      'bad-keys': async () => void rows.push(...(await badKeys(stage))),
      'routes-1000': async () => void rows.push(...(await manyRoutes(stage))),
      workers: async () => void rows.push(...(await workers(stage))),
      'half-load': async () => void rows.push(...(await halfLoad(stage))),
      idle: async () => void idle.push(...(await idleRows(stage, options.idle ?? (quick ? 2000 : 10_000)))),
    };
    const order = [...new Set([...FIRST, ...Object.keys(cases)])];
    for (const name of order) {
      const run = cases[name];
      if (run === undefined) continue;
      if (options.cases != null && !options.cases.includes(name)) continue;
      if (performance.now() - startedMs > (quick ? LIMIT_MS.quick : LIMIT_MS.full)) note(`${name} is left out: out of time`);
      else {
        process.stderr.write(`bench gateway: ${name}\n`);
        await run();
      }
    }
    const report: Report = {
      bench: 'gateway',
      takenAt: new Date().toISOString(),
      machine: machineName(),
      node: process.version,
      rounds: stage.rounds,
      seconds: stage.seconds,
      says: SAYS,
      rows,
      idle,
      figures: figuresOf(rows, idle),
      notes,
    };
    process.stdout.write(table(report));
    if (options.results != null) writeReport(options.results, report);
    return report;
  } finally {
    for (const peer of running.reverse()) await peer.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

function makeCertificate(dir: string): Surroundings['certificate'] {
  if (findProgram('openssl') === null) return null;
  const tls = join(dir, 'tls');
  mkdirSync(tls);
  const cert = join(tls, 'bench.pem');
  const key = join(tls, 'bench.key');
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-keyout', key, '-out', cert, '-subj', '/CN=bench.test', '-addext', 'subjectAltName=DNS:bench.test,IP:127.0.0.1'],
    ],
    { stdio: 'pipe' },
  );
  const both = join(tls, 'both.pem');
  writeFileSync(both, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'), { mode: 0o600 });
  return { cert, key, both };
}

function lanesOf({ around, ours, peers }: Stage, name: string): Lane[] {
  const one = CASES.find((candidate) => candidate.name === name)!;
  return [ours, ...peers.filter((peer) => (one.peers as readonly string[]).includes(peer.name))].map((peer) => {
    const requests = one.requests(around.keys);
    const script = wrkScript(peer.keys === undefined ? requests : { ...requests, keys: peer.keys });
    return { name: peer.name, peer, script, connections: one.connections, tls: one.tls };
  });
}

const named = (peers: readonly Peer[], ...names: readonly PeerName[]): Peer[] =>
  peers.filter((peer) => (names as readonly string[]).includes(peer.name));

/** Refusing beside accepting, in the same rounds. */
function badKeys(stage: Stage): Promise<Row[]> {
  const { keys } = stage.around;
  const refused = [stage.ours, ...named(stage.peers, 'haproxy', 'nginx', 'nginx+lua')].map((peer) => ({
    name: peer.name,
    peer,
    script: wrkScript(strangers(keys)),
    connections: 64,
    expectRefusals: true,
  }));
  const accepted = { name: 'fluxgate accepting', peer: stage.ours, script: wrkScript(byKey(keys)), connections: 64 };
  return contest('bad-keys', [...refused, accepted], stage);
}

async function manyRoutes(stage: Stage): Promise<Row[]> {
  const many = await startGateway({ ...stage.gateway, moreRoutes: 1000 });
  try {
    const lane = { script: wrkScript(byKey(stage.around.keys)), connections: 64 };
    const few = { ...lane, name: 'fluxgate 3 routes', peer: stage.ours };
    return await contest('routes-1000', [{ ...lane, name: 'fluxgate', peer: many }, few], {
      ...stage,
      warmSeconds: FRESH_SECONDS,
    });
  } finally {
    await many.stop();
  }
}

/** Both on the cores of two proxies, so that a second worker is not held up by the first. */
async function workers(stage: Stage): Promise<Row[]> {
  const peers: Peer[] = [];
  try {
    for (const count of [2, 1])
      peers.push(
        await startGateway({
          ...stage.gateway,
          workers: count,
          wide: true,
          name: `fluxgate ${count} worker${count > 1 ? 's' : ''}`,
        }),
      );
    const script = wrkScript(byKey(stage.around.keys));
    return await contest(
      'workers',
      peers.map((peer) => ({ name: peer.name, peer, script, connections: 128 })),
      { ...stage, warmSeconds: FRESH_SECONDS },
    );
  } finally {
    for (const peer of peers) await peer.stop();
  }
}

const THINKERS = 128;

/**
 * The same offered load for all: half of what the slower of us and HAProxy can do. wrk knows no rate, so each of many connections pauses at random
 * between its requests (mean: connections ÷ rate, less the answer's own time): arrivals are as good as independent, and the load
 * generator stays a C program that takes little of the core which the upstream needs too. The rate that came about is in the table.
 */
async function halfLoad(stage: Stage): Promise<Row[]> {
  const { keys } = stage.around;
  const contenders = [stage.ours, ...named(stage.peers, 'haproxy', 'nginx')];
  const lanes = (script: string, connections: number): Lane[] =>
    contenders.map((peer) => ({ name: peer.name, peer, script, connections }));
  const most = await contest('saturation', lanes(wrkScript(byKey(keys)), 64), { ...stage, rounds: 1 });
  const slower = Math.min(...most.filter((row) => row.peer !== 'nginx').map((row) => row.perSecond));
  const thinkMs = (THINKERS / (slower / 2)) * 1000 - 1;
  return contest('half-load', lanes(wrkScript(byKey(keys), thinkMs), THINKERS), stage);
}

/** HAProxy's own limit follows from that of open files: it is asked for no more than it can hold. */
async function idleRows(stage: Stage, connections: number): Promise<IdleRow[]> {
  const fresh = await startGateway(stage.gateway);
  try {
    const rows = [await idleMemory(fresh, connections)];
    for (const peer of named(stage.peers, 'haproxy', 'nginx', 'caddy'))
      rows.push(await idleMemory(peer, Math.min(connections, 5000)));
    return rows;
  } finally {
    await fresh.stop();
  }
}

/** The figures of the design, as far as this run tells them. */
function figuresOf(rows: readonly Row[], idle: readonly IdleRow[]): Figure[] {
  const figures: Figure[] = [];
  const row = (name: string, peer: string): Row | undefined => rows.find((one) => one.case === name && one.peer === peer);
  const add = (what: string, value: number | undefined, sense: Figure['sense'], bar: number, moonshot: number | null): void => {
    if (value !== undefined) figures.push({ what, value, sense, bar, moonshot });
  };
  const checked = row('all-checks', 'fluxgate')?.ratios;
  add('API key, all checks, × HAProxy', checked?.['haproxy'], 'at least', 0.8, 1);
  add('API key, all checks, × Caddy without authentication', checked?.['caddy'], 'at least', 3, 4);
  add('API key, all checks, × @fastify/http-proxy', checked?.['fastify'], 'at least', 3, 4);
  add(
    'two workers × one, per core-second',
    row('workers', 'fluxgate 2 workers')?.ratios['fluxgate 1 worker'],
    'at least',
    0.9,
    1,
  );
  add('refusing a bad key × accepting one', row('bad-keys', 'fluxgate')?.ratios['fluxgate accepting'], 'at least', 1.3, null);
  add('KiB per idle connection', idle.find((one) => one.peer === 'fluxgate')?.kibPerConnection, 'at most', 20, null);
  add('p99 at half load × HAProxy', row('half-load', 'fluxgate')?.p99Ratios['haproxy'], 'at most', 1.3, null);
  return figures;
}
