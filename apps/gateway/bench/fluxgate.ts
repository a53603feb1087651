import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { BenchKeys } from './keys.ts';
import { cores, freePort, type Peer, start } from './peers.ts';
import { seedDataDirectory } from './seed.ts';

const gateway = join(import.meta.dirname, '..');

/**
 * The gateway bundled as `scripts/build-app.ts` does it, but into the run's own directory: what is measured is the source as it lies here, and
 * nobody's `dist` is replaced under a running process. Returns the file to start.
 */
export async function buildGateway(dir: string): Promise<string> {
  const outdir = join(dir, 'gateway');
  mkdirSync(outdir);
  symlinkSync(join(gateway, 'node_modules'), join(outdir, 'node_modules'));
  writeFileSync(join(outdir, 'package.json'), '{"type":"module"}');
  await build({
    entryPoints: ['main', 'sync/thread', 'worker/thread', 'services/thread'].map((name) => ({
      in: join(gateway, 'src', `${name}.ts`),
      out: name.replaceAll('/', '-'),
    })),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    packages: 'external',
    plugins: [
      {
        name: 'inline-workspace',
        setup(b) {
          b.onResolve({ filter: /^@fluxgate\// }, (args) => ({
            path: createRequire(join(args.resolveDir, 'importer.js')).resolve(args.path),
            sideEffects: false,
          }));
        },
      },
    ],
    define: { FLUXGATE_VERSION: '"bench"' },
    logLevel: 'error',
  });
  return join(outdir, 'main.js');
}

export interface GatewayOptions {
  readonly dir: string;
  readonly main: string;
  readonly keys: BenchKeys;
  readonly upstreamPort: number;
  readonly workers?: number;
  readonly moreRoutes?: number;
  /** Directory with bench.pem and bench.key; null: no TLS. */
  readonly tlsDir?: string | null;
  readonly name?: string;
  /** On both cores of the proxies. */
  readonly wide?: boolean;
  /** Arguments of node itself, e.g. `--cpu-prof`. */
  readonly nodeArguments?: readonly string[];
  /** Working directory, where profiles are written. */
  readonly cwd?: string;
}

let started = 0;

/** A whole gateway process: supervisor, sync, services and request threads, default settings but for ports and directories. */
export async function startGateway(options: GatewayOptions): Promise<Peer> {
  const { dir, tlsDir = null } = options;
  const port = await freePort();
  const tlsPort = tlsDir === null ? null : await freePort();
  const dataDir = join(dir, `node-${++started}`);
  const realm = { upstreamPort: options.upstreamPort, tlsPort, moreRoutes: options.moreRoutes ?? 0 };
  const tokenFile = `${dataDir}.token`;
  writeFileSync(tokenFile, seedDataDirectory(dataDir, realm, options.keys), { mode: 0o600 });
  const env = {
    // Nobody listens there: the node serves from disk and asks again now and then.
    FLUXGATE_CONTROL_PLANE: `http://127.0.0.1:${await freePort()}`,
    FLUXGATE_NODE_TOKEN_FILE: tokenFile,
    FLUXGATE_DATA_DIR: dataDir,
    FLUXGATE_GATEWAY_PORT: port,
    FLUXGATE_STATUS_PORT: await freePort(),
    FLUXGATE_WORKERS: options.workers ?? 1,
    FLUXGATE_NODE_NAME: 'bench',
    ...(tlsDir === null ? {} : { FLUXGATE_TLS_DIR: tlsDir }),
  };
  const { proxy, proxies } = cores();
  return start(
    options.name ?? 'fluxgate',
    options.wide === true ? proxies : proxy,
    port,
    [
      'env',
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      process.execPath,
      ...(options.nodeArguments ?? []),
      options.main,
    ],
    { ...(tlsPort === null ? {} : { tlsPort }), ...(options.cwd === undefined ? {} : { cwd: options.cwd }) },
  );
}
