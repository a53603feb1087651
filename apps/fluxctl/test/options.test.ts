import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { COMMANDS } from '../src/commands.ts';
import { locate } from '../src/locate.ts';
import { parse } from '../src/parse.ts';
import { readerOf } from '../src/reader.ts';
import { SPECS } from '../src/specs/index.ts';
import { NOW_MS } from './world.ts';

const DAY_MS = 86_400_000;

/** argv → what the run code gets. */
async function optionsOf(argv: readonly string[]): Promise<unknown> {
  const { spec, rest } = locate(argv);
  if (spec === null) throw new Error(`no command in ${argv.join(' ')}`);
  const reader = readerOf(parse(spec, rest), NOW_MS);
  const options = COMMANDS[spec.path.join(' ')]!.options(reader);
  const wrong = reader.failure();
  if (wrong !== null) throw wrong;
  return options;
}
const words = (line: string): string[] =>
  line
    .split(' ')
    .filter((word) => word !== '')
    .slice(1);
const promised = readFileSync(new URL('./promised-commands.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

test('the four promised lines parse exactly as written', async () => {
  expect(promised).toHaveLength(4);
  expect(await Promise.all(promised.map((line) => optionsOf(words(line))))).toEqual([
    { endpoint: '/internal/gateway', mode: 'strict', method: 'GET', host: null },
    {
      clientId: 'gx_88291a',
      body: { redirectUris: ['https://app.example.com/callback'], scopes: ['read:inventory', 'write:orders'] },
    },
    {
      body: {
        name: 'analytics-service',
        scopes: ['read:metrics'],
        quota: { limit: 50_000, window: 'day', zone: 'UTC' },
        expiresInMs: 90 * DAY_MS,
      },
      sink: null,
      force: false,
    },
    { keys: [], graceMs: undefined, expiresInMs: undefined, reissue: false, sink: null, force: false },
  ]);
});

describe('one list, however it is spelled', () => {
  test.each([
    'fluxctl keys generate --name a --scope x y',
    'fluxctl keys generate --scope x --name a --scope y',
    'fluxctl keys generate --scope x,y --name a',
    'fluxctl keys generate --scope=x,y --name=a',
    'fluxctl -o json keys generate --scope x y -q --name a',
    'fluxctl keys -q generate --scope x y -o json --name a --timeout 5s',
    'fluxctl --server http://x --context c keys generate --name a --scope x --wait --scope y',
  ])('%s', async (line) => {
    expect(await optionsOf(words(line))).toMatchObject({ body: { name: 'a', scopes: ['x', 'y'] } });
  });
});

describe('options of every kind of flag', () => {
  test.each<[string, unknown]>([
    [
      'fluxctl keys list --expiring 14d --unused 30d --due',
      { query: { expiringWithinMs: 14 * DAY_MS, unusedForMs: 30 * DAY_MS, due: 'true' }, most: 100 },
    ],
    ['fluxctl keys list --all', { query: {}, most: Number.POSITIVE_INFINITY }],
    ['fluxctl keys generate --name a --expiry 2026-09-30', { body: { expiresInMs: Date.parse('2026-09-30') - NOW_MS } }],
    ['fluxctl keys generate --name a --quota unlimited --budget unlimited', { body: { name: 'a', requestBudget: null } }],
    ['fluxctl keys generate --name a --label team=x env=y', { body: { labels: { team: 'x', env: 'y' } } }],
    [
      'fluxctl keys generate --name a --rotate-every 60d',
      { body: { rotation: { everyMs: 60 * DAY_MS, graceMs: DAY_MS, deliver: null } } },
    ],
    [
      'fluxctl keys update a --cidr any --route any --quota unlimited',
      { key: 'a', body: { cidrs: null, routes: null, quota: null } },
    ],
    ['fluxctl keys update a --add-scope x --label k=', { key: 'a', addScopes: ['x'], labels: { k: null }, body: {} }],
    ['fluxctl keys update a --rotate-every never', { body: { rotation: null } }],
    ['fluxctl keys rotate a b --grace 24h', { keys: ['a', 'b'], graceMs: DAY_MS }],
    ['fluxctl keys rotate a --secret-to file:x.key --force', { sink: { kind: 'file', path: 'x.key' }, force: true }],
    ['fluxctl keys rotate a --secret-to exec:cat', { sink: { kind: 'exec', command: 'cat' } }],
    [
      'fluxctl keys rotate a --secret-to vault:secret/data/a#key --reissue',
      { sink: { kind: 'vault', ref: 'vault:secret/data/a#key' }, reissue: true },
    ],
    ['fluxctl keys rotations finish rot_1 --when-idle 10m', { rotation: 'rot_1', whenIdleMs: 600_000 }],
    ['fluxctl keys revoke a --version kid --reason leaked', { keys: ['a'], kid: 'kid', reason: 'leaked' }],
    ['fluxctl apply -f a.yaml -f b.yaml --exit-code', { paths: ['a.yaml', 'b.yaml'], exitCode: true }],
    ['fluxctl validate -f a.yaml b.yaml', { paths: ['a.yaml', 'b.yaml'] }],
    ['fluxctl secrets set secret/data/a#b --from-stdin', { path: 'secret/data/a', field: 'b', from: { kind: 'stdin' } }],
    [
      'fluxctl routes test get /x --expect route=/x,status=401',
      { method: 'GET', url: '/x', expect: { route: '/x', status: '401' } },
    ],
    ['fluxctl login --token-stdin', { tokenStdin: true }],
    [
      'fluxctl tokens create --name ci --role key-rotator --expiry 90d',
      { name: 'ci', role: 'key-rotator', expiresInMs: 90 * DAY_MS },
    ],
    ['fluxctl nodes token create --name eu', { name: 'eu', expiresInMs: null }],
    ['fluxctl keys list --limit 1 --limit 2', { most: 2 }],
    ['fluxctl keys get -- -odd', { key: '-odd' }],
  ])('%s', async (line, expected) => {
    expect(await optionsOf(words(line))).toMatchObject(expected as object);
  });
});

describe('what cannot be meant is refused with what to write', () => {
  test.each<[string, RegExp, string | null]>([
    ['fluxctl keys generate --name a --quota 5/m', /month/, null],
    ['fluxctl keys generate --name a --expiry 90', /no unit/, '--expiry'],
    ['fluxctl keys generate --name a --expiry never', /ends at some time/, '--expiry'],
    ['fluxctl keys generate --name a --expiry 2020-01-01', /not in the future/, '--expiry'],
    ['fluxctl keys generate --name a --secret-to keyfile', /no place for a secret/, '--secret-to'],
    ['fluxctl keys generate --name a --deliver vault:x#y', /rotation policy/, '--deliver'],
    ['fluxctl keys rotate --reissue', /named key/, '--reissue'],
    ['fluxctl keys rotate a b --secret-to file:one', /several keys/, '--secret-to'],
    ['fluxctl keys update a --suspend --resume', /contradicts/, '--resume'],
    ['fluxctl oauth2 configure --client-id a --secret-ref hunter2', /never the secret itself/, '--secret-ref'],
    ['fluxctl secrets set nofield --from-stdin', /path and a field/, null],
    ['fluxctl keys list --bogus', /unknown flag --bogus/, '--bogus'],
    ['fluxctl keys list --limit', /needs a value/, '--limit'],
    ['fluxctl keys list extra', /too many arguments/, null],
    ['fluxctl keys list --token x', /visible to every process/, '--token'],
  ])('%s', async (line, message, field) => {
    const failure: { details: { exit: number; message: string; field?: string | null } } = await optionsOf(words(line)).then(
      () => {
        throw new Error('it was accepted');
      },
      (error) => error,
    );
    expect(failure.details).toMatchObject({ exit: 2, message: expect.stringMatching(message) });
    if (field !== null) expect(failure.details.field).toBe(field);
  });
});

describe('mistyped words', () => {
  test.each<[string, string]>([
    ['fluxctl kyes list', 'Did you mean keys?'],
    ['fluxctl keys genrate', 'Did you mean generate?'],
    ['fluxctl keys rotations finsh', 'Did you mean finish?'],
    ['fluxctl rotate', 'Did you mean keys rotate or jwks rotate?'],
    ['fluxctl keys list --expirng 3d', 'Did you mean --expiring?'],
  ])('%s → %s', async (line, hint) => {
    await expect(optionsOf(words(line))).rejects.toMatchObject({ details: { exit: 2, hint } });
  });
});

test('every command has run code, an example that parses, and flags with a long form only one meaning each', async () => {
  expect(Object.keys(COMMANDS).sort()).toEqual(
    SPECS.filter((spec) => spec.path[0] !== 'help')
      .map((spec) => spec.path.join(' '))
      .sort(),
  );
  for (const spec of SPECS) {
    expect(spec.examples.length).toBeGreaterThan(0);
    const longs = (spec.flags ?? []).map((flag) => flag.long);
    expect(new Set(longs).size).toBe(longs.length);
    for (const [, line] of spec.examples) {
      const mine = line
        .slice(line.indexOf('fluxctl'))
        .replace(/ [<>|].*$/, '')
        .replace(/\)$/, '');
      const argv = [...mine.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
        .map((found) => found[1] ?? found[2] ?? found[3] ?? '')
        .slice(1);
      const located = locate(argv);
      expect([line, located.spec?.path]).toEqual([line, spec.path]);
      parse(spec, located.rest);
    }
  }
});
