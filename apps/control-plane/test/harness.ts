import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Convergence, endpoints, type Node, openApiDocument, type Problem, type Role } from '@fluxgate/protocol/admin';
import { defaultPrefixes } from '@fluxgate/stores/secrets';
import { Ajv2020 } from 'ajv/dist/2020.js';
import pg from 'pg';
import type { VaultConfig } from '../src/config.vault.ts';
import type { Door } from '../src/door.ts';
import { createApp } from '../src/http/app.ts';
import { createFailureLimit } from '../src/http/failures.ts';
import { createMetrics } from '../src/http/metrics.ts';
import { createTokenUse } from '../src/http/token-use.ts';
import { createIssuer, localSigners } from '../src/issuer/issuer.ts';
import { createLog } from '../src/log.ts';
import { handlers } from '../src/operations/index.ts';
import { createSecretsMonitor } from '../src/secrets/monitor.ts';
import type { Nodes, SecretsSpread, Services } from '../src/services.ts';
import { createToken } from '../src/start/admin-create.ts';
import { type Opened, open, openRealm } from '../src/start/open.ts';

export type EngineName = 'pglite' | 'postgres';
const postgresUrl = process.env['FLUXGATE_TEST_POSTGRES_URL'] ?? '';
/** PGlite always, a Postgres server where `npm test` found one. */
export const engines: readonly EngineName[] = postgresUrl === '' ? ['pglite'] : ['pglite', 'postgres'];

/** A clock that tests move, and real chance. */
export interface TestDoor extends Door {
  advance(ms: number): void;
}

function testDoor(): TestDoor {
  let skewMs = 0;
  return {
    nowMs: () => Date.now() + skewMs,
    randomBytes,
    advance: (ms) => {
      skewMs += ms;
    },
  };
}

/** Stands in for the hub: remembers what it was told, and converges when the test says so. */
export interface FakeNodes extends Nodes {
  readonly woken: string[];
  readonly cutOff: string[];
  readonly asked: { realm: string; revision: number; timeoutMs: number }[];
  answer: (revision: number) => Partial<Convergence>;
  listed: Node[];
  readonly pushed: string[];
  spread: SecretsSpread;
  commanded: (name: string, args: object) => Record<string, { ok: boolean; body: unknown }>;
}

function fakeNodes(): FakeNodes {
  const fake: FakeNodes = {
    woken: [],
    cutOff: [],
    asked: [],
    listed: [],
    pushed: [],
    spread: { nodes: 1, reached: 1, pending: [] },
    answer: () => ({}),
    commanded: () => ({}),
    wake: (realm) => void fake.woken.push(realm),
    disconnect: (kid) => void fake.cutOff.push(kid),
    list: async () => fake.listed,
    pushSecrets: async (realm) => void fake.pushed.push(realm),
    secretsSpread: async () => fake.spread,
    command: async (_realm, name, args) => new Map(Object.entries(fake.commanded(name, args))),
    convergence: async (realm, revision, timeoutMs) => {
      fake.asked.push({ realm, revision, timeoutMs });
      return { revision, nodes: 1, reached: 1, converged: true, pending: [], elapsedMs: 1, ...fake.answer(revision) };
    },
  };
  return fake;
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
  readonly text: string;
}

const document = openApiDocument('0.0.0-test') as {
  paths: Record<
    string,
    Record<string, { operationId: string; responses: Record<string, { content: Record<string, { schema: object }> }> }>
  >;
  components: object;
};
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ ...document, $id: 'openapi' });
const templates = Object.entries(document.paths).map(([path, methods]) => ({
  path,
  methods,
  pattern: new RegExp(`^${path.replace(/\{[A-Za-z]+\}/g, '[^/]+')}$`),
}));

/** Why the document does not allow this answer, or null. Fixed paths win over parameters, as in the router. */
export function disobeys(method: string, path: string, answer: Answer<unknown>): string | null {
  const found = templates
    .filter(({ pattern }) => pattern.test(path))
    .sort((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')))[0];
  const described = found?.methods[method.toLowerCase()];
  if (found === undefined || described === undefined) return null;
  const response = described.responses[String(answer.status)];
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  const content = response?.content[type];
  if (content === undefined) return `${described.operationId}: ${answer.status} ${type} is not in the document`;
  const pointerPart = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1');
  const pointer = ['paths', found.path, method.toLowerCase(), 'responses', String(answer.status), 'content', type, 'schema']
    .map((part) => encodeURIComponent(pointerPart(part)))
    .join('/');
  const validate = ajv.getSchema(`openapi#/${pointer}`);
  if (validate === undefined) throw new Error(`no schema at ${pointer}`);
  if (validate(answer.body) !== true)
    return `${described.operationId}: ${ajv.errorsText(validate.errors)} in ${answer.text.slice(0, 500)}`;
  const codes = (response as { 'x-problem-codes'?: string[] })['x-problem-codes'];
  const { code } = answer.body as { code?: string };
  return codes === undefined || (code !== undefined && codes.includes(code))
    ? null
    : `${described.operationId}: the code ${code} is not in the document`;
}

export interface CallOptions {
  readonly token?: string | null;
  readonly headers?: Record<string, string>;
  /** Sent as it is, instead of JSON. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
}

export class Plane {
  readonly url: string;
  readonly services: Services;
  readonly opened: Opened;
  readonly door: TestDoor;
  readonly nodes: FakeNodes;
  readonly logLines: string[];
  readonly dir: string;
  /** operationId → statuses and codes that were answered. */
  readonly seen = new Map<string, Set<string>>();
  stopping = false;
  readonly #close: () => Promise<void>;
  #realms = 0;

  constructor(
    parts: Pick<Plane, 'url' | 'services' | 'opened' | 'door' | 'nodes' | 'logLines' | 'dir'> & { close: () => Promise<void> },
  ) {
    this.url = parts.url;
    this.services = parts.services;
    this.opened = parts.opened;
    this.door = parts.door;
    this.nodes = parts.nodes;
    this.logLines = parts.logLines;
    this.dir = parts.dir;
    this.#close = parts.close;
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Any answer that the OpenAPI document does not allow fails the test that caused it. */
  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body: unknown,
    { token, headers = {}, raw }: CallOptions,
  ): Promise<Answer<T>> {
    const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(token === null || token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(content === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(content === undefined ? {} : { body: content }),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') === true && text !== '' ? JSON.parse(text) : null;
    const answer = { status: response.status, headers: response.headers, body: json as T, text };
    const plainPath = path.split('?')[0] ?? path;
    const fault = disobeys(method, plainPath, answer);
    if (fault !== null) throw new Error(`the server disobeys its OpenAPI document: ${fault}`);
    this.#note(method, plainPath, answer);
    return answer;
  }

  #note(method: string, path: string, answer: Answer<unknown>): void {
    const entry = Object.entries(endpoints).find(
      ([, one]) => one.method === method && new RegExp(`^${one.path.replace(/\{[A-Za-z]+\}/g, '[^/]+')}$`).test(path),
    );
    const id = entry?.[0] ?? 'none';
    const code = (answer.body as { code?: string } | null)?.code;
    const seen = this.seen.get(id) ?? new Set();
    seen.add(String(answer.status));
    if (code !== undefined) seen.add(code);
    this.seen.set(id, seen);
  }

  /** A realm of its own, so that tests of one file share a database but nothing else. */
  async newRealm(role: Role = 'admin'): Promise<Tenant> {
    this.#realms += 1;
    const realm = `t${this.#realms}x`;
    await openRealm(this.opened, this.door, realm);
    return new Tenant(this, realm, await this.token(realm, role));
  }

  token(realm: string, role: Role, name = `${role}-of-${realm}`): Promise<string> {
    return createToken(this.opened, { name, role, realm, by: 'test' }, this.door);
  }
}

/** The admin API as one token sees it. */
export class Tenant {
  readonly plane: Plane;
  readonly realm: string;
  readonly token: string;

  constructor(plane: Plane, realm: string, token: string) {
    this.plane = plane;
    this.realm = realm;
    this.token = token;
  }

  get<T = Record<string, unknown>>(path: string): Promise<Answer<T>> {
    return this.plane.call<T>('GET', path, undefined, { token: this.token });
  }
  post<T = Record<string, unknown>>(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return this.plane.call<T>('POST', path, body, { token: this.token, headers });
  }
  put<T = Record<string, unknown>>(path: string, body: unknown): Promise<Answer<T>> {
    return this.plane.call<T>('PUT', path, body, { token: this.token });
  }
  patch<T = Record<string, unknown>>(path: string, body: unknown): Promise<Answer<T>> {
    return this.plane.call<T>('PATCH', path, body, { token: this.token });
  }
  delete<T = Record<string, unknown>>(path: string): Promise<Answer<T>> {
    return this.plane.call<T>('DELETE', path, undefined, { token: this.token });
  }
  apply(text: string, query = ''): Promise<Answer<Record<string, unknown> & Problem>> {
    return this.post(`/v1/config/apply${query}`, { files: [{ name: 'fluxgate.yaml', text }] });
  }
  async as(role: Role): Promise<Tenant> {
    return new Tenant(this.plane, this.realm, await this.plane.token(this.realm, role));
  }
}

async function databaseFor(engine: EngineName, dir: string): Promise<{ url: string; drop: () => Promise<void> }> {
  if (engine === 'pglite') return { url: `pglite:${join(dir, 'db')}`, drop: async () => undefined };
  const name = `fluxgate_${randomBytes(6).toString('hex')}`;
  const run = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: postgresUrl });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  await run(`CREATE DATABASE ${name}`);
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  return { url: url.toString(), drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`) };
}

/** The whole admin API in this process: real database, real HTTP, no nodes. */
export async function startPlane(engine: EngineName = 'pglite', vault: VaultConfig | null = null): Promise<Plane> {
  const dir = mkdtempSync(join(tmpdir(), 'fluxgate-control-plane-'));
  const kekFile = join(dir, 'kek');
  writeFileSync(kekFile, randomBytes(32).toString('base64'), { mode: 0o600 });
  const database = await databaseFor(engine, dir);
  const door = testDoor();
  const nodes = fakeNodes();
  const logLines: string[] = [];
  const opened = await open({ databaseUrl: database.url, kekFile, vault }, door, () => undefined);
  let issuerUrl: string | null = null;
  const issuerSettings = { algorithm: 'ES256', rotateEveryMs: 30 * 86_400_000, jwksCacheMs: 300_000 } as const;
  const issuer = createIssuer(opened.db, door, issuerSettings, [localSigners(opened.db, opened.kek, door)], () => issuerUrl);
  const log = createLog('debug', (line) => void logLines.push(line), door.nowMs);
  const metrics = createMetrics('0.0.0-test', () => 0);
  const services: Services = {
    db: opened.db,
    secretsMonitor: createSecretsMonitor(opened.secretsOf('live'), opened.vault, log, metrics.secretStore),
    secretsOf: opened.secretsOf,
    prefixes: defaultPrefixes(null),
    env: {},
    nodes,
    tokenDigest: opened.tokenDigest,
    issuer,
    door,
    log,
    metrics,
    version: '0.0.0-test',
  };
  const failures = createFailureLimit();
  const app = createApp(services, {
    handlers,
    failures,
    tokenUse: createTokenUse(services),
    validateResponses: true,
    stopping: () => plane.stopping,
    secure: false,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuerUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await opened.db.close();
    await database.drop();
    rmSync(dir, { recursive: true, force: true });
  };
  const plane: Plane = new Plane({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    services,
    opened,
    door,
    nodes,
    logLines,
    dir,
    close,
  });
  return plane;
}
