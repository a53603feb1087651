import { randomFillSync } from 'node:crypto';
import { compilePlan, type Plan, REFUSALS, type RealmConfig, type UpstreamSpec } from '@fluxgate/policy';
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

export type TestOptions = Partial<Pick<WireOptions, 'limits' | 'onUpgrade' | 'resolve'>> & {
  readonly upstream?: Partial<UpstreamSpec>;
  readonly trustedProxies?: readonly string[];
};

export const planFor = (upstream: UpstreamSpec, trustedProxies: readonly string[] = []): Plan =>
  compilePlan({
    settings: { ...EMPTY_SETTINGS, trustedProxies },
    upstreams: [upstream],
    tiers: [],
    routes: [
      {
        name: '/',
        prefix: '/',
        host: null,
        methods: null,
        upstream: { name: upstream.name },
        auth: 'none',
        middleware: [],
        labels: {},
        owner: null,
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
      balance: 'round_robin',
      timeout: { connectMs: 1000, firstByteMs: 2000, idleMs: 2000, totalMs: null },
      health: null,
      ...PLAIN_UPSTREAM,
      ...options.upstream,
    },
    options.trustedProxies,
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
    principal: null,
    ...over,
  });
  const { upstream: _upstream, trustedProxies: _trusted, ...wireOptions } = options;
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
