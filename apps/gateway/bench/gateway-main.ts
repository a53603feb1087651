/**
 * One request worker as it stands in a node, without threads: wire, pipeline, shared memory, meter. Keys come from a file that the
 * bench wrote. Usage: gateway-main.ts <port> <upstream url> <keys.json>
 */
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  compilePlan,
  DEFAULT_API_KEY_SETTINGS,
  DEFAULT_UPSTREAM,
  EMPTY_SETTINGS,
  type Grant,
  PLAIN_ROUTE,
  type RealmConfig,
  type RouteSpec,
} from '@fluxgate/policy';
import { createWire } from '../src/http/wire.ts';
import { attachKeyIndex, attachLeases, attachRates, createLeaseMemory, createRateMemory, KeyIndex } from '../src/memory/index.ts';
import { createPipeline } from '../src/pipeline/decide.ts';
import { pepperRing } from '../src/pipeline/hmac.ts';
import { UsageBook } from '../src/pipeline/usageBook.ts';
import type { WrittenKeys } from './keys.ts';
import { benchTelemetry } from './telemetry-parts.ts';

const port = Number(process.argv[2]);
const url = process.argv[3]!;
const keys = JSON.parse(readFileSync(process.argv[4]!, 'utf8')) as WrittenKeys;
const routesMore = Number(process.env['BENCH_ROUTES'] ?? 0);

const route = (prefix: string, over: Partial<RouteSpec>): RouteSpec => ({
  ...PLAIN_ROUTE,
  name: prefix,
  prefix,
  host: null,
  methods: null,
  upstream: { name: 'all' },
  auth: 'required',
  middleware: [],
  labels: {},
  owner: null,
  ...over,
});
const config: RealmConfig = {
  settings: { ...EMPTY_SETTINGS, apiKey: { ...DEFAULT_API_KEY_SETTINGS, enabled: true } },
  upstreams: [{ ...DEFAULT_UPSTREAM, name: 'all', targets: [{ url, weight: 1 }] }],
  tiers: [{ name: 'bench', scope: 'env:bench', rate: { limit: 50_000_000, perMs: 60_000 } }],
  routes: [
    route('/api/v2/metrics', {
      middleware: [
        { kind: 'api_key', scopes: ['read:metrics'], queryParameter: null },
        { kind: 'rate_limit', rate: { limit: 50_000_000, perMs: 60_000 }, burst: 1_000_000, by: 'key', onAuthorityLoss: 'local' },
      ],
    }),
    route('/checked', {
      middleware: [
        { kind: 'ip_allow', cidrs: ['10.0.0.0/8', '127.0.0.0/8', '192.168.0.0/16'], vpcEndpoints: [] },
        { kind: 'api_key', scopes: ['read:metrics'], queryParameter: null },
        { kind: 'rate_limit', rate: { limit: 50_000_000, perMs: 60_000 }, burst: 1_000_000, by: 'key', onAuthorityLoss: 'local' },
      ],
    }),
    route('/open', { auth: 'none' }),
    ...Array.from({ length: routesMore }, (_, i) => route(`/service-${i}/v1`, { auth: 'none' })),
  ],
};

const grant: Grant = {
  scopes: ['read:metrics', 'env:bench'],
  routes: null,
  cidrs: null,
  quota: null,
  requestBudget: null,
  owner: 'bench',
};
const index = new KeyIndex();
index.putGrant(1, grant, Buffer.from(JSON.stringify(grant)));
for (const [i, key] of keys.keys.entries()) {
  const record = {
    kid: key.kid,
    digest: Buffer.from(key.digest, 'hex'),
    pepperVersion: 1,
    state: 'active',
    notAfterS: 0xffffffff,
    grant: 1,
    credential: i + 1,
    name: `key${i}`,
  } as const;
  const fault = index.putKey(record);
  if (fault !== null) throw new Error(fault);
}

const telemetry = benchTelemetry(process.env);
const leases = attachLeases(createLeaseMemory([1, 2], 0), () => {});
const pipeline = createPipeline({
  realm: 'live',
  counters: attachRates(createRateMemory([1, 2]), 1),
  leases,
  leaseClient: { request: async () => 'unavailable' },
  usage: new UsageBook(),
  now: Date.now,
  staleAfterMs: null,
  onLoss() {},
});
const plan = compilePlan(config);
pipeline.setPlan(plan);
pipeline.setIndex(attachKeyIndex(index.handles()));
pipeline.setPeppers(pepperRing([[1, Buffer.from(keys.pepper, 'hex')]]));
const wire = createWire({
  plan,
  decide: pipeline.decide,
  answerRefusal: pipeline.answerRefusal,
  record: telemetry.record,
  traceRatio: telemetry.traceRatio,
  random: randomFillSync,
  clock: { nowMs: Date.now, monotonicMs: telemetry.monotonicMs },
  onFault: (error) => console.error(error),
});
console.log(await wire.listen(port, '127.0.0.1'));
process.on('SIGTERM', () => void wire.drain(100).then(() => process.exit(0)));
