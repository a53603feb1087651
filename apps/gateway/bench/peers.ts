import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A proxy under measurement, or the upstream behind all of them. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  /** TLS terminated here. */
  readonly tlsPort?: number;
  /** The process whose time is counted. */
  readonly pid: number;
  /** Keys of its own, where it cannot take those of the run. */
  readonly keys?: readonly string[];
  stop(): Promise<void>;
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

/** Who runs where, as lists for `taskset`: proxies on the first core (or two), load and upstream on the others. */
export function cores(): { readonly proxy: string; readonly proxies: string; readonly load: string } {
  const count = availableParallelism();
  if (count < 2) return { proxy: '0', proxies: '0', load: '0' };
  return { proxy: '0', proxies: '0,1', load: count < 4 ? '1' : `2-${count - 1}` };
}

const handedOut = new Set<number>();

/** Free, and given to nobody else in this process. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  if (handedOut.has(port)) return freePort();
  handedOut.add(port);
  return port;
}

export const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const children = new Set<ChildProcess>();
const directories = new Set<string>();
let guarded = false;

/** Whatever ends this process ends what it started and removes what it wrote: the end, a fault, Ctrl-C. */
function guard(): void {
  if (guarded) return;
  guarded = true;
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    for (const dir of directories) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  process.on('SIGHUP', () => process.exit(129));
}

/** A directory for one run, gone with the process. */
export function runDirectory(): string {
  guard();
  const dir = mkdtempSync(join(tmpdir(), 'fluxgate-bench-'));
  directories.add(dir);
  return dir;
}

/** A child that does not outlive this process. */
export function track<T extends ChildProcess>(child: T): T {
  guard();
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (hasEnded(child)) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode} before it listened`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill('SIGKILL');
  throw new Error(`nothing listens on ${port}: ${child.spawnargs.join(' ')}`);
}

/** Starts a program on the given cores. `taskset` becomes the program itself, so the pid is the program's. */
export async function start(
  name: string,
  core: number | string,
  port: number,
  argv: readonly string[],
  extra: { readonly tlsPort?: number; readonly keys?: readonly string[]; readonly cwd?: string; readonly quiet?: boolean } = {},
): Promise<Peer> {
  const { cwd, quiet, ...more } = extra;
  const child = track(
    spawn('taskset', ['-c', String(core), ...argv], {
      stdio: ['ignore', 'ignore', quiet === true ? 'ignore' : 'inherit'],
      ...(cwd === undefined ? {} : { cwd }),
    }),
  );
  await listening(port, child);
  return {
    name,
    port,
    ...more,
    pid: child.pid!,
    async stop() {
      if (hasEnded(child)) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
      await ended;
      clearTimeout(timer);
    },
  };
}

const JSON_300 = `{"ok":true,"service":"metrics","items":[1,2,3,4,5,6,7,8,9,10],"pad":"${'x'.repeat(224)}"}`;

/** nginx that answers 300 bytes, 16 KiB or 1 MiB. null: there is no nginx. */
export async function startUpstream(dir: string): Promise<Peer | null> {
  const nginx = findProgram('nginx');
  if (nginx === null) return null;
  const port = await freePort();
  writeFileSync(join(dir, '16k'), Buffer.alloc(16_384, 'x'));
  writeFileSync(join(dir, '1m'), Buffer.alloc(1_048_576, 'x'));
  writeFileSync(
    join(dir, 'upstream.conf'),
    `daemon off; master_process off; worker_processes 1; pid ${dir}/upstream.pid; error_log ${dir}/upstream.log;
events { worker_connections 16000; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600s; client_max_body_size 0; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s; sendfile on;
 server { listen 127.0.0.1:${port} backlog=4096;
  location ~ /16k$ { root ${dir}; try_files /16k =404; }
  location ~ /1m$ { root ${dir}; try_files /1m =404; }
  location / { default_type application/json; return 200 '${JSON_300}'; } } }
`,
  );
  return start('upstream', cores().load, port, [nginx, '-c', join(dir, 'upstream.conf'), '-e', join(dir, 'upstream.log')]);
}
