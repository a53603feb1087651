import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compilePlan, EMPTY_SETTINGS, type JwtSettings, readKeySet } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import { createPipeline } from '../pipeline/decide.ts';
import { FakeCounters, FakeLeases, facts, route } from '../pipeline/fakes.ts';
import { UsageBook } from '../pipeline/usageBook.ts';
import { TokenDesk } from './tokenDesk.ts';

/** Attack tokens that others collected, where they are given (FLUXGATE_CORPUS): every row through the pipeline. */

const corpus = process.env['FLUXGATE_CORPUS'];
const folder = corpus === undefined ? '' : join(corpus, 'jwt-attacks');
const read = <T>(name: string): T => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;

interface Token {
  readonly id: string;
  readonly expect: string;
  readonly token: string;
}

const jwt = (requiredScopes: readonly string[]): JwtSettings => ({
  enabled: true,
  issuer: 'https://issuer.test',
  audience: ['fluxgate-api'],
  jwksUri: 'https://issuer.test/jwks.json',
  cacheTtlMs: 300_000,
  requiredClaims: [],
  requiredScopes,
  clockSkewMs: 60_000,
  algorithms: ['RS256', 'ES256', 'ES384'],
  claimsToHeaders: {},
  preset: 'standard',
  claimsToScopes: [],
  typ: [],
  maxLifetimeMs: null,
});

async function statusOf(path: string, headers: readonly (readonly [string, string])[], query = ''): Promise<number> {
  const desk = new TokenDesk({ monotonicMs: () => 0, ask: async () => 10_000 });
  const leases = new FakeLeases();
  const pipeline = createPipeline({
    realm: 'live',
    counters: new FakeCounters(),
    leases,
    leaseClient: leases,
    usage: new UsageBook(),
    tokens: desk,
    now: Date.now,
    staleAfterMs: null,
    onLoss: () => {},
  });
  const plan = compilePlan({
    settings: EMPTY_SETTINGS,
    upstreams: [],
    tiers: [],
    routes: [route('/jwt', [{ kind: 'jwt', jwt: jwt([]) }]), route('/jwt-scope', [{ kind: 'jwt', jwt: jwt(['orders:read']) }])],
  });
  pipeline.setPlan(plan);
  desk.setPlan(plan);
  const keys = readKeySet(read('jwks.json'))?.keys ?? [];
  for (const { id } of plan.providers) desk.setKeys({ t: 'keys', provider: id, keys, usableUntilMs: 1e12 });
  const decision = await pipeline.decide(facts({ path, query, headers }));
  return decision.kind === 'forward' ? 200 : decision.status;
}

test('every token of the corpus gets the answer of its row', async () => {
  if (!existsSync(folder)) return;
  const wrong: string[] = [];
  const { cases } = read<{ cases: Token[] }>('tokens.json');
  for (const one of cases) {
    const scoped = one.expect === 'reject-when-scope-required';
    const status = await statusOf(scoped ? '/jwt-scope' : '/jwt', [['Authorization', `Bearer ${one.token}`]]);
    const fits = one.expect.startsWith('accept')
      ? status === 200
      : one.expect.startsWith('either')
        ? status < 500
        : status >= 400 && status < 500;
    if (!fits) wrong.push(`${one.id} expects ${one.expect}, got ${status}`);
  }
  expect(cases.length).toBeGreaterThan(0);
  expect(wrong).toEqual([]);
});

test('every form of the Authorization field gets the answer of its row', async () => {
  if (!existsSync(folder)) return;
  const good = read<{ cases: Token[] }>('tokens.json').cases.find((one) => one.id === 'ok-rs256')?.token ?? '';
  const wrong: string[] = [];
  for (const one of read<{ id: string; form: string; expect: string }[]>('authorization-header-forms.json')) {
    const form = one.form.replaceAll('{{T}}', good);
    const field = /^([A-Za-z_-]+): ?(.*)$/.exec(form);
    // What the wire makes of other forms is the wire's to prove.
    if (field === null && !form.startsWith('?')) continue;
    const status =
      field === null
        ? await statusOf('/jwt', [], form.slice(1))
        : await statusOf('/jwt', [[field[1] ?? '', (field[2] ?? '').trim()]]);
    const fits = one.expect === 'accept' ? status === 200 : status === 400 || status === 401;
    if (!fits) wrong.push(`${one.id} ${one.form} expects ${one.expect}, got ${status}`);
  }
  expect(wrong).toEqual([]);
});
