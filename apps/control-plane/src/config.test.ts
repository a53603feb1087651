import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readConfig, settingsReference } from './config.ts';

const noFile = (): string => {
  throw Object.assign(new Error('no'), { code: 'ENOENT' });
};
const good = { DATABASE_URL: 'pglite:/tmp/x', FLUXGATE_KEK_FILE: '/tmp/kek' };

test('the least that is needed gives a frozen configuration with safe defaults', () => {
  const read = readConfig(good, noFile);
  expect(read).toEqual({
    config: {
      databaseUrl: 'pglite:/tmp/x',
      kekFile: '/tmp/kek',
      kekRef: null,
      vault: null,
      adminHost: '127.0.0.1',
      adminPort: 8081,
      tls: null,
      bootstrapDir: null,
      secretsDir: null,
      redisUrl: null,
      issuer: { url: null, algorithm: 'ES256', rotateEveryMs: 30 * 86_400_000, jwksCacheMs: 300_000 },
      logLevel: 'info',
    },
  });
  expect('config' in read && Object.isFrozen(read.config)).toBe(true);
});

test('all mistakes are told at once, each with a remedy, and none repeats a password', () => {
  const read = readConfig(
    {
      DATABASE_URL: 'mysql://u:hunter2@db/x',
      FLUXGATE_ADMIN_HOST: '0.0.0.0',
      FLUXGATE_ADMIN_PORT: 'http',
      FLUXGATE_ADMIN_TLS_KEY: '/k.pem',
      FLUXGATE_LOG_LEVEL: 'loud',
      REDIS_URL: 'localhost',
    },
    noFile,
  );
  const problems = 'problems' in read ? read.problems : [];
  expect(problems.map(({ name }) => name).sort()).toEqual([
    'DATABASE_URL',
    'FLUXGATE_ADMIN_PORT',
    'FLUXGATE_ADMIN_TLS_CERT',
    'FLUXGATE_KEK_FILE',
    'FLUXGATE_LOG_LEVEL',
    'REDIS_URL',
  ]);
  for (const { why, remedy } of problems) expect([why.length > 0, remedy.length > 0]).toEqual([true, true]);
  expect(JSON.stringify(problems)).not.toContain('hunter2');
});

test('an address that is not loopback needs TLS', () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'gw.example.com']) {
    const read = readConfig({ ...good, FLUXGATE_ADMIN_HOST: host }, noFile);
    expect('problems' in read && read.problems.map(({ name }) => name)).toEqual(['FLUXGATE_ADMIN_HOST']);
  }
  for (const host of ['127.0.0.1', '127.8.8.8', 'localhost', '::1', '[::1]'])
    expect(readConfig({ ...good, FLUXGATE_ADMIN_HOST: host }, noFile)).toHaveProperty('config');
  const tls = { FLUXGATE_ADMIN_TLS_CERT: '/c', FLUXGATE_ADMIN_TLS_KEY: '/k' };
  expect(readConfig({ ...good, ...tls, FLUXGATE_ADMIN_HOST: '0.0.0.0' }, noFile)).toMatchObject({
    config: { tls: { certFile: '/c', keyFile: '/k' } },
  });
});

test('the issuer has one spelling, which is https unless it is this machine', () => {
  const problem = (issuer: string): boolean => 'problems' in readConfig({ ...good, FLUXGATE_ISSUER: issuer }, noFile);
  for (const url of [
    'https://gw.example.com',
    'https://gw.example.com:8443/auth/v1',
    'http://127.0.0.1:8081',
    'http://localhost',
  ])
    expect(readConfig({ ...good, FLUXGATE_ISSUER: url }, noFile)).toMatchObject({ config: { issuer: { url } } });
  for (const url of [
    'http://gw.example.com',
    'gw.example.com',
    'https://gw.example.com/',
    'https://gw.example.com/a/',
    'https://GW.example.com',
    'https://gw.example.com:443',
    'https://gw.example.com/a/../b',
    'https://gw.example.com/a%20b',
    'https://gw.example.com/:x',
    'https://u:p@gw.example.com',
    'https://gw.example.com?x',
    'https://gw.example.com#x',
    'ftp://gw.example.com',
  ])
    expect([url, problem(url)]).toEqual([url, true]);
  const times = { FLUXGATE_ISSUER_ALGORITHM: 'RS256', FLUXGATE_ISSUER_ROTATE_EVERY: 'never', FLUXGATE_ISSUER_JWKS_CACHE: '10m' };
  expect(readConfig({ ...good, ...times }, noFile)).toMatchObject({
    config: { issuer: { algorithm: 'RS256', rotateEveryMs: null, jwksCacheMs: 600_000 } },
  });
  const wrong = { FLUXGATE_ISSUER_ALGORITHM: 'HS256', FLUXGATE_ISSUER_ROTATE_EVERY: '1s', FLUXGATE_ISSUER_JWKS_CACHE: '2d' };
  const read = readConfig({ ...good, ...wrong }, noFile);
  expect('problems' in read && read.problems.map(({ name }) => name).sort()).toEqual(Object.keys(wrong).sort());
});

test('one YAML file says the same, the environment overrules it, and unknown names are mistakes', () => {
  const yaml = 'database_url: pglite:/tmp/y\nkek_file: /tmp/k\nadmin_port: 9999\nlog_level: debug\n';
  const read = readConfig({ FLUXGATE_CONFIG: '/etc/fluxgate.yaml', FLUXGATE_LOG_LEVEL: 'warn' }, () => yaml);
  expect(read).toMatchObject({ config: { databaseUrl: 'pglite:/tmp/y', adminPort: 9999, logLevel: 'warn' } });
  const wrong = readConfig({ ...good, FLUXGATE_CONFIG: '/x' }, () => 'admin_prot: 1\nadmin_port: [1]\n');
  expect('problems' in wrong && wrong.problems.map(({ name }) => name)).toEqual(['admin_prot', 'FLUXGATE_ADMIN_PORT']);
  for (const text of ['- a\n', 'a: [\n'])
    expect(readConfig({ ...good, FLUXGATE_CONFIG: '/x' }, () => text)).toMatchObject({ problems: [{ name: 'FLUXGATE_CONFIG' }] });
  expect(readConfig({ ...good, FLUXGATE_CONFIG: '/x' }, noFile)).toMatchObject({
    problems: [{ name: 'FLUXGATE_CONFIG', why: expect.stringContaining('ENOENT') }],
  });
});

test('the table in README.md is the one that the program reads by', () => {
  // Formatters pad the cells of a table.
  const plain = (text: string): string => text.replace(/-{3,}/g, '---').replace(/ *\| */g, '|');
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  expect(plain(readme)).toContain(plain(settingsReference()));
});

describe('Vault', () => {
  const vault = { DATABASE_URL: 'pglite:/tmp/x', VAULT_ADDR: 'https://vault.example.com:8200' };
  const problemsOf = (env: Record<string, string>) => {
    const read = readConfig(env, noFile);
    return 'problems' in read ? read.problems.map(({ name }) => name) : [];
  };

  test('each way to log in, and a key-encryption key from Vault', () => {
    const kek = { FLUXGATE_KEK_REF: 'vault:secret/data/fluxgate#kek' };
    const role = { FLUXGATE_VAULT_ROLE_ID: 'r', FLUXGATE_VAULT_SECRET_ID_FILE: '/s' };
    expect(readConfig({ ...vault, ...kek, ...role, FLUXGATE_VAULT_TRANSIT_KEY: 'fluxgate' }, noFile)).toMatchObject({
      config: {
        kekFile: null,
        kekRef: 'vault:secret/data/fluxgate#kek',
        vault: { login: { method: 'approle', mount: 'approle', roleId: 'r', secretIdFile: '/s' }, transitKey: 'fluxgate' },
      },
    });
    expect(readConfig({ ...vault, ...kek, FLUXGATE_VAULT_K8S_ROLE: 'k' }, noFile)).toMatchObject({
      config: { vault: { login: { method: 'kubernetes', tokenFile: expect.stringContaining('serviceaccount') } } },
    });
    const token = readConfig({ ...vault, ...kek, VAULT_TOKEN: 'hvs.hidden' }, noFile);
    expect(token).toMatchObject({ config: { vault: { login: { method: 'token' } } } });
    expect(JSON.stringify(token)).not.toContain('hvs.hidden');
  });

  test('no login, two logins, half a login, a clear line to another machine, two key-encryption keys: all refused', () => {
    expect(problemsOf({ ...vault, ...good })).toEqual(['VAULT_ADDR']);
    expect(problemsOf({ ...vault, ...good, VAULT_TOKEN: 'a', FLUXGATE_VAULT_K8S_ROLE: 'b' })).toEqual(['VAULT_ADDR']);
    expect(problemsOf({ ...vault, ...good, FLUXGATE_VAULT_ROLE_ID: 'a' })).toEqual(['FLUXGATE_VAULT_SECRET_ID_FILE']);
    expect(problemsOf({ ...good, VAULT_ADDR: 'http://vault.example.com', VAULT_TOKEN: 'a' })).toEqual(['VAULT_ADDR']);
    expect(problemsOf({ ...good, FLUXGATE_KEK_REF: 'vault:secret/data/fluxgate#kek' })).toEqual([
      'FLUXGATE_KEK_REF',
      'FLUXGATE_KEK_REF',
    ]);
    expect(problemsOf({ ...good, FLUXGATE_VAULT_TRANSIT_KEY: 'fluxgate' })).toEqual(['FLUXGATE_VAULT_TRANSIT_KEY']);
    // Left over from other work of this shell.
    expect(readConfig({ ...good, VAULT_TOKEN: 'a' }, noFile)).toMatchObject({ config: { vault: null } });
  });
});
