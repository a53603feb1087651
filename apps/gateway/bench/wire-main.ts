/**
 * The wire engine alone, with a decision that forwards everything: for replaying raw requests and for measuring the engine
 * without the pipeline. Usage: wire-main.ts <port> <upstream url> [--identity]
 */
import { randomFillSync } from 'node:crypto';
import { compilePlan, DEFAULT_UPSTREAM, EMPTY_SETTINGS, PLAIN_ROUTE, REFUSALS, type RealmConfig } from '@fluxgate/policy';
import { createWire } from '../src/http/wire.ts';
import type { Answer, Decision } from '../src/seam.ts';

const port = Number(process.argv[2] ?? 8001);
const url = process.argv[3] ?? 'http://127.0.0.1:9000';

const config: RealmConfig = {
  settings: EMPTY_SETTINGS,
  upstreams: [
    {
      name: 'all',
      targets: [{ url, weight: 1 }],
      ...DEFAULT_UPSTREAM,
    },
  ],
  tiers: [],
  routes: [
    {
      ...PLAIN_ROUTE,
      name: '/',
      prefix: '/',
      host: null,
      methods: null,
      upstream: { name: 'all' },
      auth: 'none',
      middleware: [],
      labels: {},
      owner: null,
      ...PLAIN_ROUTE,
    },
  ],
};
const plan = compilePlan(config);
const route = plan.routes[0]!;
const upstream = route.upstream!;
const set: readonly string[] = process.argv.includes('--identity') ? ['X-FluxGate-Principal', 'bench'] : [];
const nothing: readonly string[] = [];

const wire = createWire({
  plan,
  decide(facts): Decision {
    const target = facts.query === '' ? facts.path : `${facts.path}?${facts.query}`;
    return {
      kind: 'forward',
      route,
      upstream,
      target,
      set,
      drop: nothing,
      responseSet: nothing,
      add: nothing,
      cors: nothing,
      principal: null,
    };
  },
  answerRefusal(code, traceId, because, refusedRoute): Answer {
    if (process.env['WIRE_TRACE'] !== undefined) console.error(code, because);
    return {
      kind: 'answer',
      status: REFUSALS[code].status,
      headers: ['Content-Type', 'application/json'],
      body: `{"error":"${code}","trace_id":"${traceId}"}`,
      route: refusedRoute,
      code,
      because,
    };
  },
  record() {},
  onFault: (error) => console.error('fault', error),
  random: randomFillSync,
  clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
});
console.log(await wire.listen(port, '127.0.0.1'));
process.on('SIGTERM', () => void wire.drain(1000).then(() => process.exit(0)));
