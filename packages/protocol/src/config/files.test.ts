import { readdirSync, readFileSync } from 'node:fs';
import { DEFAULT_API_KEY_SETTINGS, DEFAULT_UPSTREAM } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import { configReference, diagnose, emptyConfig, mergeConfig, parseConfig, renderConfig } from './index.ts';

const FIXTURES = new URL('../../fixtures/', import.meta.url);
const read = (name: string) => ({ name, text: readFileSync(new URL(name, FIXTURES), 'utf8') });
const SEEDS = readdirSync(new URL('seeds/', FIXTURES)).map((name) => `seeds/${name}`);
const HOUR_MS = 3_600_000;

test.each([...SEEDS, 'fluxgate.yaml'])('%s loads as written, without a word of complaint from the reader', (name) => {
  expect(parseConfig([read(name)]).diagnostics).toEqual([]);
});

test('the seeds and the contract mean what they say', () => {
  const { settings } = parseConfig(SEEDS.map(read)).input;
  expect(settings.apiKey).toMatchObject({
    enabled: true,
    maxAgeMs: 90 * 24 * HOUR_MS,
    maxRequests: null,
    fallbackAction: 'reject',
  });
  expect(settings.jwt).toMatchObject({
    audience: ['api.fluxgate.io'],
    algorithms: ['RS256'],
    clockSkewMs: 120_000,
    cacheTtlMs: 300_000,
  });
  expect(settings.oauth2).toMatchObject({
    clientSecretRef: 'vault:secret/data/oauth2#client_secret',
    codeChallengeMethod: 'S256',
  });

  const contract = mergeConfig(emptyConfig(), parseConfig([read('fluxgate.yaml')]).input);
  expect(contract.tiers.map((tier) => [tier.name, tier.rate])).toEqual([
    ['production', { limit: 5000, perMs: 60_000 }],
    ['staging', { limit: 500, perMs: 60_000 }],
  ]);
  expect(contract.routes.map((route) => [route.name, route.auth, route.middleware.map((one) => one.kind)])).toEqual([
    ['/public', 'none', []],
    ['/internal/gateway', 'required', []],
    ['/api/v2/metrics', 'required', ['api_key']],
    ['/api/v2/reports', 'required', ['ip_allow', 'api_key', 'rate_limit']],
    ['api.example.com/api/v2/orders', 'required', ['jwt']],
    ['/app', 'required', ['oauth2']],
  ]);
});

test('the contract passes the rules between objects without an error', () => {
  const { input, positions } = parseConfig([read('fluxgate.yaml')]);
  const found = diagnose(mergeConfig(emptyConfig(), input), positions);
  expect(found.filter((one) => one.severity === 'error')).toEqual([]);
});

test('every mistake of the broken file is told at once, with its place and what to write instead', () => {
  const { diagnostics } = parseConfig([read('broken.yaml')]);
  const told = diagnostics.map(
    (one) => `${one.line}:${one.column} ${one.severity} ${one.code}: ${one.message}\n    → ${one.remedy ?? '–'}\n`,
  );
  expect(told.join('')).toBe(read('broken.golden.txt').text);
});

test('what may be a secret is never repeated in a message', () => {
  const all = JSON.stringify(parseConfig([read('broken.yaml')]).diagnostics);
  expect(read('broken.yaml').text).toMatch(/hunter2[\s\S]*hunter3/);
  expect(all).not.toMatch(/hunter|BEGIN PRIVATE/);
});

test('the broken file yields no half-understood route', () => {
  expect(parseConfig([read('broken.yaml')]).input.routes).toEqual([]);
});

test('an export of the contract looks like the contract', () => {
  const config = mergeConfig(emptyConfig(), parseConfig([read('fluxgate.yaml')]).input);
  expect(renderConfig(config)).toBe(read('fluxgate.export.yaml').text);
});

test('the defaults of the reader are those by which the gateway runs when nothing is configured', () => {
  const { settings, upstreams } = parseConfig([
    { name: 'a', text: 'fluxgate: { auth: { api_key: { enabled: false } } }\nupstreams: { a: { targets: ["http://a"] } }' },
  ]).input;
  expect(settings.apiKey).toEqual(DEFAULT_API_KEY_SETTINGS);
  expect(upstreams[0]).toMatchObject(DEFAULT_UPSTREAM);
});

test('the reference has a row for every field that the contract and the seeds use', () => {
  const reference = configReference();
  for (const { text } of [...SEEDS, 'fluxgate.yaml'].map(read))
    for (const [, field] of text.matchAll(/^\s*(?:- )?([a-z_]+|clockSkewTolerance|codeChallengeMethod):/gm))
      if (!['metrics', 'orders', 'production', 'staging'].includes(field!))
        expect(reference).toMatch(new RegExp(`[\`.]${field}[\`.]`));
});

test('no cell of the reference breaks its table', () => {
  for (const line of configReference()
    .split('\n')
    .filter((one) => one.startsWith('|')))
    expect([3, 5]).toContain(line.replaceAll('\\|', '').split('|').length - 2);
});
