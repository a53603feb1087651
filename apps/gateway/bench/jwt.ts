import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { contest } from './contest.ts';
import { cores, findProgram, freePort, type Peer, runDirectory, start, startUpstream } from './peers.ts';
import { machineName, type Report, type Row, table, writeReport } from './report.ts';
import { BENCH_AUDIENCE, BENCH_ISSUER, makeTokens } from './tokens.ts';

export interface JwtBenchOptions {
  /** jwt-repeated, jwt-first-seen, jwt-unknown-kids; null: all. */
  readonly cases?: readonly string[] | null;
  readonly rounds?: number;
  readonly seconds?: number;
  /** Where jwt.json, .svg and .txt go; null: nowhere. */
  readonly results?: string | null;
}

interface JwtCase {
  readonly name: string;
  readonly says: string;
  readonly expectRefusals: boolean;
  readonly env: readonly string[];
  readonly tokens: readonly string[];
}

const lua = (tokens: readonly string[]): string => `
local tokens = {${tokens.map((token) => `"${token}"`).join(',')}}
local requests = {}
init = function()
  for i = 1, #tokens do requests[i] = wrk.format("GET", "/jwt/x", { ["Authorization"] = "Bearer " .. tokens[i], ["Host"] = "bench.test" }) end
end
local i = 0
request = function() i = i % #tokens + 1 return requests[i] end
`;

/**
 * Bearer tokens beside HAProxy's `jwt_verify` RS256, in requests per second of the proxy's processor time; set up as in `gateway.ts`. HAProxy
 * checks alg, iss, aud, exp and the signature of every request and tells the subject; ours checks all that and the scope. Needs Linux with
 * wrk, nginx and taskset; HAProxy before 2.5, or none, is left out.
 */
export async function runJwtBench(options: JwtBenchOptions = {}): Promise<Report> {
  const rounds = options.rounds ?? 3;
  const seconds = Math.min(options.seconds ?? 4, 6);
  for (const program of ['wrk', 'nginx', 'taskset'])
    if (findProgram(program) === null) throw new Error(`bench jwt needs ${program} on PATH`);
  const dir = runDirectory();
  const running: Peer[] = [];
  try {
    const upstream = await startUpstream(dir);
    if (upstream === null) throw new Error('bench jwt needs nginx as the upstream');
    running.push(upstream);
    const made = makeTokens();
    const jwksFile = join(dir, 'jwks.json');
    writeFileSync(jwksFile, JSON.stringify(made.jwks));
    const bundle = join(dir, 'jwt.mjs');
    await build({
      entryPoints: [join(import.meta.dirname, 'jwt-main.ts')],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      logLevel: 'error',
    });
    const haproxy = await startHaproxy(dir, made.pem, upstream.port);
    if (haproxy !== null) running.push(haproxy);
    const cases: JwtCase[] = [
      { name: 'jwt-repeated', says: '50 RS256 tokens, again and again', expectRefusals: false, env: [], tokens: made.good(50) },
      {
        name: 'jwt-first-seen',
        says: 'RS256 tokens that are new every time',
        expectRefusals: false,
        env: ['BENCH_CACHE=1'],
        tokens: made.good(500),
      },
      {
        name: 'jwt-unknown-kids',
        says: '401 storm: ids out of thin air',
        expectRefusals: true,
        env: [],
        tokens: made.unknownKid(500),
      },
    ];
    const rows: Row[] = [];
    for (const one of cases) {
      if (options.cases != null && !options.cases.includes(one.name)) continue;
      const port = await freePort();
      const argv = [process.execPath, bundle, String(port), `http://127.0.0.1:${upstream.port}`, jwksFile];
      const ours = await start('fluxgate', cores().proxy, port, ['env', ...one.env, ...argv]);
      running.push(ours);
      // HAProxy does not look at the key id: the storm is ours alone.
      const peers = one.expectRefusals || haproxy === null ? [ours] : [ours, haproxy];
      const lanes = peers.map((peer) => ({
        name: peer.name,
        peer,
        script: lua(one.tokens),
        connections: 64,
        expectRefusals: one.expectRefusals,
      }));
      rows.push(...(await contest(one.name, lanes, { dir, rounds, seconds, warmSeconds: 3 })));
      await ours.stop();
    }
    const repeated = rows.find((row) => row.case === 'jwt-repeated' && row.peer === 'fluxgate')?.ratios['haproxy'];
    const report: Report = {
      bench: 'jwt',
      takenAt: new Date().toISOString(),
      machine: machineName(),
      node: process.version,
      rounds,
      seconds,
      says: Object.fromEntries(cases.map((one) => [one.name, one.says])),
      rows,
      idle: [],
      figures:
        repeated === undefined
          ? []
          : [{ what: 'repeated tokens × HAProxy jwt_verify RS256', value: repeated, sense: 'at least', bar: 1, moonshot: 2 }],
      notes: haproxy === null ? ['haproxy is left out: not on this machine, or it knows no jwt_verify'] : [],
    };
    process.stdout.write(table(report));
    if (options.results != null) writeReport(options.results, report);
    return report;
  } finally {
    for (const peer of running.reverse()) await peer.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** `jwt_verify` and `http_auth_bearer` came with 2.5; an older one does not take this configuration, and is left out. */
async function startHaproxy(dir: string, pem: string, upstreamPort: number): Promise<Peer | null> {
  const haproxy = findProgram('haproxy');
  if (haproxy === null) return null;
  const port = await freePort();
  writeFileSync(join(dir, 'issuer.pem'), pem);
  writeFileSync(
    join(dir, 'haproxy.cfg'),
    `global
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }
  http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
  http-request deny deny_status 401 unless { var(txn.iss) -m str ${BENCH_ISSUER} }
  http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
  http-request deny deny_status 401 unless { var(txn.aud) -m str ${BENCH_AUDIENCE} }
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${dir}/issuer.pem") -m int 1 }
  http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
  http-request set-header X-Consumer %[var(txn.sub)]
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:${upstreamPort}
`,
  );
  try {
    return await start('haproxy', cores().proxy, port, [haproxy, '-db', '-f', join(dir, 'haproxy.cfg')]);
  } catch {
    process.stderr.write('bench jwt: this HAProxy knows no jwt_verify (it came with 2.5) and is left out\n');
    return null;
  }
}
