import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { accessSync, constants, writeFileSync } from 'node:fs';
import net from 'node:net';
import { delimiter, join } from 'node:path';
import type { BenchKeys } from './keys.ts';

/** A proxy under measurement, or the upstream behind all of them. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  /** The process whose time is counted. */
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Surroundings {
  readonly dir: string;
  readonly keys: BenchKeys;
  readonly upstreamPort: number;
  /** The Node that runs ours. */
  readonly node: string;
}

export function findProgram(name: string): string | null {
  for (const dir of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // not here
    }
  }
  return null;
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode} before it listened`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      setTimeout(() => socket.destroy(), 50);
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on ${port}`);
}

/** Starts a program on one core. `taskset` becomes the program itself, so the pid is the program's. */
export async function start(name: string, core: number, port: number, argv: readonly string[]): Promise<Peer> {
  const child = spawn('taskset', ['-c', String(core), ...argv], { stdio: ['ignore', 'ignore', 'inherit'] });
  await listening(port, child);
  return {
    name,
    port,
    pid: child.pid!,
    async stop() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
      await ended;
      clearTimeout(timer);
    },
  };
}

const JSON_300 = `{"ok":true,"service":"metrics","items":[1,2,3,4,5,6,7,8,9,10],"pad":"${'x'.repeat(224)}"}`;

export async function startUpstream(dir: string): Promise<Peer | null> {
  const nginx = findProgram('nginx');
  if (nginx === null) return null;
  const port = await freePort();
  writeFileSync(join(dir, '16k'), Buffer.alloc(16_384, 'x'));
  writeFileSync(join(dir, '1m'), Buffer.alloc(1_048_576, 'x'));
  writeFileSync(
    join(dir, 'upstream.conf'),
    `daemon off; master_process off; worker_processes 1; pid ${dir}/upstream.pid; error_log ${dir}/upstream.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600s; client_max_body_size 0; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s; sendfile on;
 server { listen 127.0.0.1:${port} backlog=4096;
  location ~ /16k$ { root ${dir}; try_files /16k =404; }
  location ~ /1m$ { root ${dir}; try_files /1m =404; }
  location / { default_type application/json; return 200 '${JSON_300}'; } } }
`,
  );
  return start('upstream', 1, port, [nginx, '-c', join(dir, 'upstream.conf'), '-e', join(dir, 'upstream.log')]);
}

/** The gateway's worker, bundled to `bundle`. */
export async function startGateway(
  around: Surroundings,
  bundle: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Peer> {
  const port = await freePort();
  const file = join(around.dir, 'keys.json');
  writeFileSync(file, JSON.stringify(around.keys), { mode: 0o600 });
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return start('fluxgate', 0, port, [
    'env',
    ...settings,
    around.node,
    bundle,
    String(port),
    `http://127.0.0.1:${around.upstreamPort}`,
    file,
  ]);
}

/** HMAC-SHA-256 of the key, look-up by digest, a rate counted per key, the key removed, a consumer told. */
async function startHaproxy(around: Surroundings): Promise<Peer | null> {
  const haproxy = findProgram('haproxy');
  if (haproxy === null) return null;
  const { dir, keys } = around;
  const port = await freePort();
  const digest = (text: string): string => createHmac('sha256', 'pepper').update(text).digest('hex').toUpperCase();
  writeFileSync(join(dir, 'haproxy.map'), keys.keys.map((key, i) => `${digest(key.text)} key${i}\n`).join(''), { mode: 0o600 });
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
  stick-table type string len 64 size 100k expire 1m store http_req_rate(60s)
  http-request set-var(txn.kid) req.hdr(X-FluxGate-API-Key),hmac(sha256,cGVwcGVy),hex,map_str(${dir}/haproxy.map)
  http-request deny deny_status 401 unless { var(txn.kid) -m found }
  http-request track-sc0 var(txn.kid)
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 50000000 }
  http-request del-header X-FluxGate-API-Key
  http-request set-header X-Consumer %[var(txn.kid)]
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:${around.upstreamPort}
`,
  );
  return start('haproxy', 0, port, [haproxy, '-db', '-f', join(dir, 'haproxy.cfg')]);
}

/** Look-up of the key and a rate per key; no hashing. */
async function startNginx(around: Surroundings): Promise<Peer | null> {
  const nginx = findProgram('nginx');
  if (nginx === null) return null;
  const { dir, keys } = around;
  const port = await freePort();
  writeFileSync(join(dir, 'nginx.map'), keys.keys.map((key, i) => `"${key.text}" key${i};\n`).join(''), { mode: 0o600 });
  writeFileSync(
    join(dir, 'nginx.conf'),
    `daemon off; master_process off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/nginx.log;
events { worker_connections 8000; }
http { access_log off; keepalive_requests 100000000; map_hash_max_size 65536; map_hash_bucket_size 256; client_max_body_size 0; client_body_temp_path ${dir}/nb; proxy_temp_path ${dir}/np; fastcgi_temp_path ${dir}/nf; uwsgi_temp_path ${dir}/nu; scgi_temp_path ${dir}/ns;
 map $http_x_fluxgate_api_key $kid { default ""; include ${dir}/nginx.map; }
 limit_req_zone $kid zone=k:10m rate=500000r/s;
 upstream u { server 127.0.0.1:${around.upstreamPort}; keepalive 128; keepalive_requests 100000000; }
 server { listen 127.0.0.1:${port} backlog=4096; location / { if ($kid = "") { return 401; } limit_req zone=k burst=100000 nodelay; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-FluxGate-API-Key ""; proxy_set_header X-Consumer $kid; proxy_pass http://u; } } }
`,
  );
  return start('nginx', 0, port, [nginx, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'nginx.log')]);
}

/** Reverse proxy only: the key is present, nothing more. */
async function startCaddy(around: Surroundings): Promise<Peer | null> {
  const caddy = findProgram('caddy');
  if (caddy === null) return null;
  const port = await freePort();
  const file = join(around.dir, 'Caddyfile');
  writeFileSync(
    file,
    `{
 admin off
 auto_https off
}
http://127.0.0.1:${port} {
 @k header X-FluxGate-API-Key *
 handle @k {
  reverse_proxy 127.0.0.1:${around.upstreamPort} {
   transport http {
    keepalive_idle_conns_per_host 256
   }
  }
 }
 respond 401
}
`,
  );
  return start('caddy', 0, port, [
    'env',
    `HOME=${around.dir}`,
    'GOMAXPROCS=1',
    caddy,
    'run',
    '--config',
    file,
    '--adapter',
    'caddyfile',
  ]);
}

/** Bytes copied both ways, nothing read: what sockets cost in Node. */
async function startRelay(around: Surroundings): Promise<Peer> {
  const port = await freePort();
  const file = join(around.dir, 'relay.mjs');
  writeFileSync(
    file,
    `import net from 'node:net';
net.createServer({ noDelay: true }, (c) => {
  const u = net.connect({ port: ${around.upstreamPort}, host: '127.0.0.1', noDelay: true });
  c.on('data', (d) => u.write(d)); u.on('data', (d) => c.write(d));
  c.on('close', () => u.destroy()); u.on('close', () => c.destroy()); c.on('error', () => {}); u.on('error', () => {});
}).listen(${port}, '127.0.0.1');
`,
  );
  return start('tcp relay (node)', 0, port, [around.node, file]);
}

/** The peers that this machine has, each ready. */
export async function startPeers(around: Surroundings, wanted: readonly string[] | null): Promise<Peer[]> {
  const makers: Record<string, (around: Surroundings) => Promise<Peer | null>> = {
    haproxy: startHaproxy,
    nginx: startNginx,
    caddy: startCaddy,
    relay: startRelay,
  };
  const peers: Peer[] = [];
  for (const [name, make] of Object.entries(makers)) {
    if (wanted !== null && !wanted.includes(name)) continue;
    const peer = await make(around);
    if (peer === null) console.error(`bench gateway: ${name} is not on this machine and is left out`);
    else peers.push(peer);
  }
  return peers;
}
