import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from './admin.ts';
import { type Running, startProcess } from './process.ts';
import { freePort, until } from './waiting.ts';

/** The checkout whose built apps are run. */
export const home = process.env['FLUXGATE_HOME'] ?? join(import.meta.dirname, '..', '..', '..');
export const app = (name: string): string => join(home, 'apps', name, 'dist', 'main.js');

export interface GatewayNode {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly statusUrl: string;
  readonly dir: string;
  readonly process: Running;
}

export interface House {
  readonly dir: string;
  readonly adminUrl: string;
  readonly databaseUrl: string;
  readonly admin: Admin;
  readonly controlPlane: Running;
  readonly nodes: readonly GatewayNode[];
  readonly kekFile: string;
  /** Starts the control plane again on its port and database, after it was killed. */
  restartControlPlane(): Promise<void>;
  /** Starts the node again on its port and directory, after it was killed. */
  restartNode(index: number, env?: Record<string, string>): Promise<GatewayNode>;
  stop(): Promise<void>;
}

export interface HouseOptions {
  readonly nodes?: number;
  readonly workers?: number;
  /** postgres://… or left out for an embedded PGlite in the house's directory. */
  readonly databaseUrl?: string;
  readonly nodeEnv?: Readonly<Record<string, string>>;
  readonly controlPlaneEnv?: Readonly<Record<string, string>>;
}

const isReady = (url: string) => async (): Promise<boolean> => {
  const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
  await response.arrayBuffer();
  return response.ok;
};

/** One control plane and n gateway nodes as real processes on private ports, in a directory of their own. */
export async function startHouse(options: HouseOptions = {}): Promise<House> {
  const dir = mkdtempSync(join(tmpdir(), 'fluxgate-house-'));
  const kekFile = join(dir, 'kek');
  const bootstrap = join(dir, 'bootstrap');
  mkdirSync(bootstrap, { mode: 0o700 });
  writeFileSync(kekFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const databaseUrl = options.databaseUrl ?? `pglite:${join(dir, 'postgres')}`;
  const adminPort = await freePort();
  const adminUrl = `http://127.0.0.1:${adminPort}`;

  const startControlPlane = async (): Promise<Running> => {
    const running = startProcess(app('control-plane'), ['serve'], {
      DATABASE_URL: databaseUrl,
      FLUXGATE_KEK_FILE: kekFile,
      FLUXGATE_ADMIN_PORT: String(adminPort),
      FLUXGATE_BOOTSTRAP_DIR: bootstrap,
      FLUXGATE_SECRETS_DIR: dir,
      ...options.controlPlaneEnv,
    });
    await until('the control plane is ready', isReady(`${adminUrl}/readyz`), { deadlineMs: 40_000, said: running.output });
    return running;
  };

  const startNode = async (
    name: string,
    port: number,
    statusPort: number,
    env: Readonly<Record<string, string>>,
    wait = true,
  ): Promise<GatewayNode> => {
    const nodeDir = join(dir, name);
    if (!existsSync(nodeDir)) mkdirSync(nodeDir, { mode: 0o700 });
    const running = startProcess(app('gateway'), [], {
      FLUXGATE_CONTROL_PLANE: adminUrl,
      FLUXGATE_NODE_TOKEN_FILE: join(bootstrap, 'node.token'),
      FLUXGATE_DATA_DIR: nodeDir,
      FLUXGATE_GATEWAY_PORT: String(port),
      FLUXGATE_STATUS_PORT: String(statusPort),
      FLUXGATE_NODE_NAME: name,
      FLUXGATE_WORKERS: String(options.workers ?? 2),
      ...options.nodeEnv,
      ...env,
    });
    const statusUrl = `http://127.0.0.1:${statusPort}`;
    if (wait) await until(`node ${name} is ready`, isReady(`${statusUrl}/readyz`), { deadlineMs: 30_000, said: running.output });
    return { name, port, url: `http://127.0.0.1:${port}`, statusUrl, dir: nodeDir, process: running };
  };

  let controlPlane = await startControlPlane();
  const admin = new Admin(adminUrl, readFileSync(join(bootstrap, 'admin.token'), 'utf8').trim());
  const nodes: GatewayNode[] = [];
  for (let n = 1; n <= (options.nodes ?? 1); n += 1)
    nodes.push(await startNode(`node-${n}`, await freePort(), await freePort(), {}));

  return {
    dir,
    adminUrl,
    databaseUrl,
    admin,
    nodes,
    kekFile,
    get controlPlane() {
      return controlPlane;
    },
    async restartControlPlane() {
      controlPlane = await startControlPlane();
    },
    async restartNode(index, env = {}) {
      const old = nodes[index];
      if (old === undefined) throw new Error(`there is no node ${index}`);
      const statusPort = Number(new URL(old.statusUrl).port);
      const node = await startNode(old.name, old.port, statusPort, env);
      nodes[index] = node;
      return node;
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.process.stop()));
      await controlPlane.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
