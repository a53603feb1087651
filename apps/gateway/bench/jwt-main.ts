/**
 * One request worker that checks bearer tokens, without threads. Usage: jwt-main.ts <port> <upstream url> <jwks.json>. BENCH_CACHE=1: the cache of
 * verified tokens holds so little that each of many tokens is new every time.
 */
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compilePlan, DEFAULT_UPSTREAM, EMPTY_SETTINGS, PLAIN_ROUTE, type RealmConfig, readKeySet } from '@fluxgate/policy';
import { createWire } from '../src/http/wire.ts';
import { attachKeyIndex, attachLeases, attachRates, createLeaseMemory, createRateMemory, KeyIndex } from '../src/memory/index.ts';
import { createPipeline } from '../src/pipeline/decide.ts';
import { UsageBook } from '../src/pipeline/usageBook.ts';
import { TokenDesk } from '../src/tokens/tokenDesk.ts';
import { VerifiedCache } from '../src/tokens/verifiedCache.ts';
import { Meter } from '../src/worker/meter.ts';
import { BENCH_AUDIENCE, BENCH_ISSUER } from './tokens.ts';

const port = Number(process.argv[2]);
const url = process.argv[3]!;
const jwks: unknown = JSON.parse(readFileSync(process.argv[4]!, 'utf8'));
const cached = process.env['BENCH_CACHE'];

const config: RealmConfig = {
  settings: EMPTY_SETTINGS,
  upstreams: [{ ...DEFAULT_UPSTREAM, name: 'all', targets: [{ url, weight: 1 }] }],
  tiers: [{ name: 'bench', scope: 'read:metrics', rate: { limit: 50_000_000, perMs: 60_000 } }],
  routes: [
    {
      ...PLAIN_ROUTE,
      name: '/jwt',
      prefix: '/jwt',
      host: null,
      methods: null,
      upstream: { name: 'all' },
      auth: 'required',
      labels: {},
      owner: null,
      middleware: [
        {
          kind: 'jwt',
          jwt: {
            enabled: true,
            issuer: BENCH_ISSUER,
            audience: [BENCH_AUDIENCE],
            jwksUri: `${BENCH_ISSUER}/jwks`,
            cacheTtlMs: 300_000,
            requiredClaims: ['sub', 'scope'],
            requiredScopes: ['read:metrics'],
            clockSkewMs: 60_000,
            algorithms: ['RS256'],
            claimsToHeaders: { sub: 'X-Consumer' },
            preset: 'standard',
            claimsToScopes: [],
            typ: [],
            maxLifetimeMs: null,
          },
        },
      ],
    },
  ],
};

const plan = compilePlan(config);
const desk = new TokenDesk({
  monotonicMs: () => performance.now(),
  // An issuer that knows no more keys, within its cool-down.
  ask: async () => performance.now() + 10_000,
  ...(cached === undefined ? {} : { cache: new VerifiedCache(Number(cached)) }),
});
for (const { id } of plan.providers)
  desk.setKeys({ t: 'keys', provider: id, keys: readKeySet(jwks)?.keys ?? [], usableUntilMs: Number.MAX_SAFE_INTEGER });
const meter = new Meter();
const pipeline = createPipeline({
  realm: 'live',
  counters: attachRates(createRateMemory([1, 2]), 1),
  leases: attachLeases(createLeaseMemory([1, 2], 0), () => {}),
  leaseClient: { request: async () => 'unavailable' },
  usage: new UsageBook(),
  tokens: desk,
  now: Date.now,
  staleAfterMs: null,
  onLoss() {},
});
pipeline.setPlan(plan);
pipeline.setIndex(attachKeyIndex(new KeyIndex().handles()));
const wire = createWire({
  plan,
  decide: pipeline.decide,
  answerRefusal: pipeline.answerRefusal,
  record: (exchange) => meter.record(exchange),
  random: randomFillSync,
  clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
  onFault: (error) => process.stderr.write(`${String(error)}\n`),
});
await wire.listen(port, '127.0.0.1');
setInterval(() => meter.take(), 1000).unref();
process.on('SIGTERM', () => void wire.drain(100).then(() => process.exit(0)));
