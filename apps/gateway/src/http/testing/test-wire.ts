import { randomFillSync } from 'node:crypto';
import {
  compilePlan,
  DEFAULT_UPSTREAM,
  EMPTY_SETTINGS,
  PLAIN_ROUTE,
  type Plan,
  REFUSALS,
  type RealmConfig,
  type RouteSpec,
  type UpstreamSpec,
} from '@fluxgate/policy';
import type { Answer, Decide, Forward, Record as RecordExchange, RequestFacts } from '../../seam.ts';
import { createWire, type WireEngine, type WireOptions } from '../wire.ts';
import { RecordingBackend } from './recording-backend.ts';

export type Recorded = Parameters<RecordExchange>[0];

export interface TestWire {
  readonly port: number;
  readonly backend: RecordingBackend;
  readonly wire: WireEngine;
  readonly records: Recorded[];
  readonly faults: unknown[];
  /** Changes what is decided; null: forward everything to the backend. */
  decide: Decide | null;
  forward(facts: RequestFacts, over?: Partial<Forward>): Forward;
  stop(): Promise<void>;
}

export type TestOptions = Partial<Pick<WireOptions, 'limits' | 'onUpgrade' | 'resolve' | 'traceRatio' | 'authorities'>> & {
  readonly upstream?: Partial<UpstreamSpec>;
  readonly trustedProxies?: readonly string[];
  readonly route?: Partial<RouteSpec>;
};

export const planFor = (upstream: UpstreamSpec, trustedProxies: readonly string[] = [], route: Partial<RouteSpec> = {}): Plan =>
  compilePlan({
    settings: { ...EMPTY_SETTINGS, trustedProxies },
    upstreams: [upstream],
    tiers: [],
    routes: [
      {
        ...PLAIN_ROUTE,
        name: '/',
        prefix: '/',
        host: null,
        methods: null,
        upstream: { name: upstream.name },
        auth: 'none',
        middleware: [],
        labels: {},
        owner: null,
        ...route,
      },
    ],
  } satisfies RealmConfig);

export const answerOf = (code: keyof typeof REFUSALS, because = ''): Answer => ({
  kind: 'answer',
  status: REFUSALS[code].status,
  headers: ['Content-Type', 'application/json'],
  body: `{"error":"${code}"}`,
  route: null,
  code,
  because,
});

/** A wire before a recording backend, deciding to forward everything unless told otherwise. */
export async function startTestWire(options: TestOptions = {}): Promise<TestWire> {
  const backend = await RecordingBackend.start();
  const plan = planFor(
    {
      name: 'all',
      targets: [{ url: `http://127.0.0.1:${backend.port}`, weight: 1 }],
      ...DEFAULT_UPSTREAM,
      timeout: { connectMs: 1000, firstByteMs: 2000, idleMs: 2000, totalMs: null },
      ...options.upstream,
    },
    options.trustedProxies,
    options.route,
  );
  const route = plan.routes[0]!;
  const records: Recorded[] = [];
  const faults: unknown[] = [];
  const forward = (facts: RequestFacts, over: Partial<Forward> = {}): Forward => ({
    kind: 'forward',
    route,
    upstream: route.upstream!,
    target: facts.query === '' ? facts.path : `${facts.path}?${facts.query}`,
    set: [],
    drop: [],
    responseSet: [],
    add: [],
    cors: [],
    principal: null,
    ...over,
  });
  const { upstream: _upstream, trustedProxies: _trusted, route: _route, ...wireOptions } = options;
  const wire = createWire({
    plan,
    decide: (facts) => (test.decide === null ? forward(facts) : test.decide(facts)),
    answerRefusal: (code, _traceId, because) => answerOf(code, because),
    record: (exchange) => records.push(exchange),
    random: randomFillSync,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    onFault: (error) => faults.push(error),
    ...wireOptions,
  });
  const port = await wire.listen(0, '127.0.0.1');
  const test: TestWire = {
    port,
    backend,
    wire,
    records,
    faults,
    decide: null,
    forward,
    async stop() {
      await wire.drain(0);
      await backend.close();
    },
  };
  return test;
}
