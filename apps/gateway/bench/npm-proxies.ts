import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goodKeys } from './keys.ts';
import { cores, freePort, start, track } from './peers.ts';
import type { StartPeer } from './proxies.ts';

/** Fixed, so that two runs compare the same thing. */
const FASTIFY = ['fastify@5.12.8', '@fastify/http-proxy@11.6.3'];
const EXPRESS_GATEWAY = ['express-gateway@1.16.11'];
const INSTALL_TIMEOUT_MS = 90_000;

/** Into a directory of the run's own. False: no npm, no registry, too slow. Scripts of packages do not run. */
async function install(dir: string, packages: readonly string[]): Promise<boolean> {
  mkdirSync(dir);
  writeFileSync(join(dir, 'package.json'), '{"private":true,"type":"commonjs"}');
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=silent', ...packages];
  const child = track(spawn('npm', args, { cwd: dir, stdio: 'ignore' }));
  const timer = setTimeout(() => child.kill('SIGKILL'), INSTALL_TIMEOUT_MS);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('exit', resolve);
  });
  clearTimeout(timer);
  return code === 0;
}

/** HMAC-SHA-256 of the key, look-up, a count per key, the key removed, a consumer told: the same work, on @fastify/http-proxy. */
export const startFastify: StartPeer = async ({ dir, keys, upstreamPort }) => {
  const home = join(dir, 'fastify');
  if (!(await install(home, FASTIFY))) return null;
  const port = await freePort();
  writeFileSync(join(home, 'keys.json'), JSON.stringify(goodKeys(keys)), { mode: 0o600 });
  writeFileSync(
    join(home, 'server.cjs'),
    `const { createHmac } = require('node:crypto');
const mac = (text) => createHmac('sha256', 'pepper').update(text).digest('base64');
const known = new Map(require('./keys.json').map(({ text, name }) => [mac(text), name]));
const counts = new Map();
const app = require('fastify')({ logger: false, bodyLimit: 1 << 24 });
app.register(require('@fastify/http-proxy'), {
  upstream: 'http://127.0.0.1:${upstreamPort}',
  undici: { connections: 128 },
  preHandler(request, reply, done) {
    const key = request.headers['x-fluxgate-api-key'];
    const name = key === undefined ? undefined : known.get(mac(key));
    if (name === undefined) return void reply.code(401).send({ error: 'invalid_api_key' });
    counts.set(name, (counts.get(name) ?? 0) + 1);
    request.consumer = name;
    done();
  },
  replyOptions: {
    rewriteRequestHeaders(request, headers) {
      const { 'x-fluxgate-api-key': key, ...rest } = headers;
      return { ...rest, 'x-consumer': request.consumer };
    },
  },
});
app.listen({ port: ${port}, host: '127.0.0.1' });
`,
  );
  return start('fastify', cores().proxy, port, ['env', 'NODE_ENV=production', process.execPath, join(home, 'server.cjs')]);
};

const CREDENTIALS = 20;

/** Key and a limit per user, as its own guide sets them up; it keeps users in memory and makes keys of its own. */
export const startExpressGateway: StartPeer = async ({ dir, upstreamPort }) => {
  const home = join(dir, 'express-gateway');
  if (!(await install(home, EXPRESS_GATEWAY))) return null;
  const port = await freePort();
  const adminPort = await freePort();
  const config = join(home, 'config');
  const models = join(config, 'models');
  mkdirSync(models, { recursive: true });
  const write = (file: string, content: string): void => writeFileSync(join(config, file), content);
  write(
    'gateway.config.yml',
    `http: { port: ${port}, host: 127.0.0.1 }
admin: { port: ${adminPort}, host: 127.0.0.1 }
apiEndpoints: { api: { host: '*', paths: '/*' } }
serviceEndpoints: { up: { url: 'http://127.0.0.1:${upstreamPort}' } }
policies: [key-auth, rate-limit, proxy]
pipelines:
  main:
    apiEndpoints: [api]
    policies:
      - key-auth: [ { action: { apiKeyHeader: X-FluxGate-API-Key, disableHeadersScheme: true } } ]
      - rate-limit: [ { action: { max: 500000000, windowMs: 60000, rateLimitBy: "\${req.user.id}" } } ]
      - proxy: [ { action: { serviceEndpoint: up, changeOrigin: true } } ]
`,
  );
  write(
    'system.config.yml',
    `db: { redis: { emulate: true, namespace: EG } }
crypto: { cipherKey: sensitiveKey, algorithm: aes256, saltRounds: 10 }
session: { secret: keyboardcat, resave: false, saveUninitialized: false }
accessTokens: { timeToExpiry: 7200000 }
refreshTokens: { timeToExpiry: 7200000 }
authorizationCodes: { timeToExpiry: 300000 }
`,
  );
  for (const model of ['users', 'applications', 'credentials'])
    copyFileSync(join(home, 'node_modules/express-gateway/lib/config/models', `${model}.json`), join(models, `${model}.json`));
  writeFileSync(
    join(home, 'server.cjs'),
    `require('express-gateway')().load(require('node:path').join(__dirname, 'config')).run();`,
  );
  const argv = [
    'env',
    'NODE_ENV=production',
    'LOG_LEVEL=error',
    'NODE_NO_WARNINGS=1',
    process.execPath,
    join(home, 'server.cjs'),
  ];
  const peer = await start('express-gateway', cores().proxy, port, argv, { cwd: home });
  const call = async (path: string, body: object): Promise<Record<string, string>> => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const content = await response.text();
    if (!response.ok) throw new Error(`express-gateway: ${path} answered ${response.status}: ${content}`);
    return JSON.parse(content) as Record<string, string>;
  };
  try {
    const keys: string[] = [];
    for (let i = 0; i < CREDENTIALS; i++) {
      await call('users', { username: `client${i}`, firstname: 'Bench', lastname: 'Client' });
      const made = await call('credentials', { consumerId: `client${i}`, type: 'key-auth' });
      keys.push(`${made['keyId']}:${made['keySecret']}`);
    }
    return { ...peer, keys };
  } catch (error) {
    await peer.stop();
    throw error;
  }
};
