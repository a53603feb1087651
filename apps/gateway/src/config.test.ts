import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeKid, encodeSecret } from '@fluxgate/policy';
import { formatNodeToken } from '@fluxgate/protocol/sync';
import { expect, test } from '@jest/globals';
import { readConfig, settingsReference } from './config.ts';

const token = formatNodeToken('live', encodeKid(randomBytes(16)), encodeSecret(randomBytes(32)), 'f'.repeat(43));
const needed = { FLUXGATE_CONTROL_PLANE: 'http://127.0.0.1:8081', FLUXGATE_NODE_TOKEN: token, FLUXGATE_DATA_DIR: '/tmp/x' };

const read = (env: Record<string, string>, files: Record<string, string> = {}) =>
  readConfig(env, (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return text;
  });
const config = (env: Record<string, string>, files?: Record<string, string>) => {
  const result = read(env, files);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.config;
};
const problems = (env: Record<string, string>, files?: Record<string, string>) => {
  const result = read(env, files);
  return 'problems' in result ? result.problems : [];
};

test('three settings are enough, the rest has defaults', () => {
  expect(config(needed)).toMatchObject({
    host: '127.0.0.1',
    port: 8080,
    statusPort: 8082,
    drainMs: 10_000,
    staleAfterMs: null,
    tlsDir: '/tmp/x/tls',
    accessLog: { mode: 'refusals', oneIn: 1 },
    otlp: null,
    traceRatio: 0.01,
    realm: 'live',
  });
});

test('everything that is wrong is said at once, each with a remedy, and no secret is repeated', () => {
  const found = problems({
    FLUXGATE_CONTROL_PLANE: 'http://control.example.com',
    FLUXGATE_NODE_TOKEN: token.slice(0, -1),
    FLUXGATE_GATEWAY_PORT: '99999',
    FLUXGATE_WORKERS: '0',
    FLUXGATE_DRAIN: 'soon',
    FLUXGATE_ACCESS_LOG: 'yes',
    REDIS_URL: 'http://x',
  });
  expect(found.map((one) => one.name).sort()).toEqual([
    'FLUXGATE_ACCESS_LOG',
    'FLUXGATE_CONTROL_PLANE',
    'FLUXGATE_DATA_DIR',
    'FLUXGATE_DRAIN',
    'FLUXGATE_GATEWAY_PORT',
    'FLUXGATE_NODE_TOKEN',
    'FLUXGATE_WORKERS',
    'REDIS_URL',
  ]);
  for (const one of found) expect(one.remedy).not.toBe('');
  expect(JSON.stringify(found)).not.toContain(token.slice(20, 60));
});

test('a node token crosses no network in clear', () => {
  for (const url of ['http://10.0.0.1:8081', 'ws://control', 'https://a,http://b'])
    expect(problems({ ...needed, FLUXGATE_CONTROL_PLANE: url })).toHaveLength(1);
  for (const url of ['http://localhost:1', 'http://[::1]:1', 'https://a.example, https://b.example', 'wss://a'])
    expect(problems({ ...needed, FLUXGATE_CONTROL_PLANE: url })).toEqual([]);
});

test('the token comes from its file or from the environment, not from both', () => {
  const { FLUXGATE_NODE_TOKEN, ...rest } = needed;
  expect(config({ ...rest, FLUXGATE_NODE_TOKEN_FILE: 'token' }, { token: `${token}\n` }).nodeToken).toBe(token);
  expect(problems({ ...needed, FLUXGATE_NODE_TOKEN_FILE: 'token' }, { token })).toHaveLength(1);
  expect(problems({ ...rest, FLUXGATE_NODE_TOKEN_FILE: 'missing' })[0]?.why).toContain('ENOENT');
  expect(problems(rest)).toHaveLength(1);
  expect(FLUXGATE_NODE_TOKEN).toBe(token);
});

test('the YAML file is overruled by the environment, and a name it does not know is a mistake', () => {
  const yaml = 'control_plane: [https://a.example, https://b.example]\ngateway_port: 9000\nstale_after: 5m\n';
  const { FLUXGATE_CONTROL_PLANE, ...rest } = needed;
  expect(config({ ...rest, FLUXGATE_CONFIG: 'f' }, { f: yaml })).toMatchObject({
    controlPlanes: ['https://a.example', 'https://b.example'],
    port: 9000,
    staleAfterMs: 300_000,
  });
  expect(config({ ...needed, FLUXGATE_CONFIG: 'f', FLUXGATE_GATEWAY_PORT: '9001' }, { f: yaml })).toMatchObject({
    port: 9001,
    controlPlanes: [FLUXGATE_CONTROL_PLANE],
  });
  expect(problems({ ...needed, FLUXGATE_CONFIG: 'f' }, { f: 'gatewayport: 1' })[0]?.name).toBe('gatewayport');
  expect(problems({ ...needed, FLUXGATE_CONFIG: 'nowhere' })[0]?.name).toBe('FLUXGATE_CONFIG');
});

test('traffic and status do not share a port', () => {
  expect(problems({ ...needed, FLUXGATE_STATUS_PORT: '8080' })).toHaveLength(1);
  expect(problems({ ...needed, FLUXGATE_GATEWAY_PORT: '0', FLUXGATE_STATUS_PORT: '0' })).toEqual([]);
});

test('the reference in README.md is the one the program reads by', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const shown = /<!-- settings:[^>]*-->\n([\s\S]*?)<!-- \/settings -->/.exec(readme)?.[1];
  expect(shown?.trim()).toBe(settingsReference());
});
