import { createHash } from 'node:crypto';
import {
  type ApiKeySettings,
  compilePlan,
  DEFAULT_API_KEY_SETTINGS,
  type EdgeLimits,
  EMPTY_SETTINGS,
  encodeKid,
  encodeSecret,
  formatKey,
  type Grant,
  gcra,
  type Middleware,
  PLAIN_ROUTE,
  parseAddress,
  type RouteSpec,
  type TierSpec,
} from '@fluxgate/policy';
import { keyDigest } from '@fluxgate/protocol/sync';
import type { KeyIndexReader, KeyView, LeaseClient, LeaseTable, RateCounters } from '../memory/ports.ts';
import { attachReplays, createReplayMemory } from '../memory/replay-memory.ts';
import type { ClientCert, Decision, Forward, RequestFacts } from '../seam.ts';
import { createPipeline, type Pipeline } from './decide.ts';
import { pepperRing } from './hmac.ts';
import { UsageBook } from './usageBook.ts';

/** Stand-ins for the ports of the pipeline: what tests of this folder build a node from. */
export const PEPPER = createHash('sha256').update('a pepper for tests').digest();
export const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 0);
export const NEVER_S = 0xffffffff;

export interface TestKey {
  readonly text: string;
  readonly kid: string;
  readonly secret: string;
  record: {
    state: KeyView['state'];
    notAfterS: number;
    grant: number;
    credential: number;
    name: string;
    pepperVersion: number;
    digest: Buffer;
  };
}

export function testKey(seed: string, over: Partial<TestKey['record']> & { realm?: string } = {}): TestKey {
  const kid = encodeKid(createHash('sha256').update(`kid ${seed}`).digest().subarray(0, 16));
  const secret = encodeSecret(createHash('sha256').update(`secret ${seed}`).digest());
  const { realm = 'live', ...rest } = over;
  const record = {
    state: 0 as const,
    notAfterS: NEVER_S,
    grant: 1,
    credential: 7,
    name: seed,
    pepperVersion: 1,
    digest: Buffer.from(keyDigest(PEPPER, kid, secret)),
    ...rest,
  };
  return { text: formatKey('k', realm, kid, secret), kid, secret, record };
}

export class FakeIndex implements KeyIndexReader {
  readonly asked: string[] = [];
  readonly keys = new Map<string, TestKey>();
  readonly grants = new Map<number, string>();
  /** To be moved by a test that changes a key. */
  changes = 0;
  get size(): number {
    return this.keys.size;
  }
  find(kid: string): KeyView | null {
    this.asked.push(kid);
    const key = this.keys.get(kid);
    return key === undefined ? null : { ...key.record, name: () => key.record.name };
  }
  grant(number: number): string | null {
    return this.grants.get(number) ?? null;
  }
}

export class FakeCounters implements RateCounters {
  readonly taken: { limit: number; subject: string }[] = [];
  readonly #cells = new Map<string, number>();
  take(limit: number, subject: string, rate: Parameters<RateCounters['take']>[2], burst: number, nowMs: number) {
    const cell = `${limit} ${subject}`;
    const verdict = gcra(this.#cells.get(cell) ?? 0, nowMs, rate, burst);
    this.#cells.set(cell, verdict.tatMs);
    if (verdict.allowed) this.taken.push({ limit, subject });
    return verdict;
  }
}

/** Tokens by subject; `request` fetches what `authority` holds. */
export class FakeLeases implements LeaseTable, LeaseClient {
  readonly here = new Map<string, number>();
  readonly authority = new Map<string, number>();
  away = false;
  requests = 0;
  /** Runs while a request waits. */
  meanwhile: () => void = () => {};
  spend(subject: string): 'ok' | 'empty' | 'exhausted' {
    const left = this.here.get(subject) ?? 0;
    if (left > 0) {
      this.here.set(subject, left - 1);
      return 'ok';
    }
    return !this.away && this.authority.get(subject) === 0 ? 'exhausted' : 'empty';
  }
  refund(subject: string): void {
    this.here.set(subject, (this.here.get(subject) ?? 0) + 1);
  }
  left(subject: string): number {
    return (this.here.get(subject) ?? 0) + (this.authority.get(subject) ?? 0);
  }
  async request(subject: string): Promise<'granted' | 'exhausted' | 'unavailable'> {
    this.requests++;
    await Promise.resolve();
    this.meanwhile();
    if (this.away) return 'unavailable';
    const left = this.authority.get(subject) ?? 0;
    if (left === 0) return 'exhausted';
    this.authority.set(subject, left - 1);
    this.here.set(subject, (this.here.get(subject) ?? 0) + 1);
    return 'granted';
  }
}

export interface Ask {
  method?: string;
  path?: string;
  query?: string;
  host?: string;
  client?: string;
  vpcEndpoint?: string;
  clientCert?: ClientCert;
  upgrade?: string;
  headers?: readonly (readonly [string, string])[];
  hasBody?: boolean;
  /** As sent; from path and query unless given. */
  rawTarget?: string;
  hostText?: string;
}

export function facts(ask: Ask): RequestFacts {
  const client = ask.client ?? '192.0.2.10';
  const address = parseAddress(client);
  if (address === null) throw new Error(`no address: ${client}`);
  const values = (name: string) =>
    (ask.headers ?? []).filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
  return {
    method: ask.method ?? 'GET',
    path: ask.path ?? '/closed',
    query: ask.query ?? '',
    host: ask.host ?? 'gateway.test',
    peer: address,
    client: address,
    clientText: client,
    vpcEndpoint: ask.vpcEndpoint ?? null,
    clientCert: ask.clientCert ?? null,
    scheme: 'http',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpan: '',
    traceFlags: '01',
    upgrade: ask.upgrade ?? null,
    arrivedMs: NOW_MS,
    header: (name) => values(name)[0],
    headerCount: (name) => values(name).length,
    headerValues: values,
    hasTwin: (name) =>
      (ask.headers ?? []).some(([field]) => {
        const lower = field.toLowerCase();
        return lower !== name && lower.replaceAll('_', '-') === name.replaceAll('_', '-');
      }),
    rawTarget: ask.rawTarget ?? `${ask.path ?? '/closed'}${ask.query ? `?${ask.query}` : ''}`,
    hostText: ask.hostText ?? ask.host ?? 'gateway.test',
    hasBody: ask.hasBody ?? false,
  };
}

export function route(prefix: string, middleware: readonly Middleware[] = [], over: Partial<RouteSpec> = {}): RouteSpec {
  return {
    ...PLAIN_ROUTE,
    name: prefix,
    prefix,
    host: null,
    methods: null,
    upstream: { url: 'http://127.0.0.1:9000' },
    auth: 'required',
    middleware,
    labels: {},
    owner: null,
    ...over,
  };
}

export const apiKey = (scopes: readonly string[] = [], queryParameter: string | null = null): Middleware => ({
  kind: 'api_key',
  scopes,
  queryParameter,
});

export interface World {
  pipeline: Pipeline;
  index: FakeIndex;
  counters: FakeCounters;
  leases: FakeLeases;
  usage: UsageBook;
  losses: string[];
  clock: { nowMs: number };
  /** A request that must be decided at once. */
  ask(key: TestKey | null, ask?: Ask): Decision;
  askSlowly(key: TestKey | null, ask?: Ask): Promise<Decision>;
}

export interface WorldOptions {
  limits?: EdgeLimits;
  routes?: readonly RouteSpec[];
  tiers?: readonly TierSpec[];
  settings?: Partial<ApiKeySettings>;
  grant?: Partial<Grant>;
  keys?: readonly TestKey[];
  staleAfterMs?: number;
  peppers?: boolean;
  replays?: boolean;
  plan?: boolean;
}

export const ANYONE: Grant = {
  scopes: ['read:metrics'],
  routes: null,
  cidrs: null,
  quota: null,
  requestBudget: null,
  owner: 'team-data',
};

export function world(options: WorldOptions = {}): World {
  const index = new FakeIndex();
  for (const key of options.keys ?? []) index.keys.set(key.kid, key);
  index.grants.set(1, JSON.stringify({ ...ANYONE, ...options.grant }));
  const counters = new FakeCounters();
  const leases = new FakeLeases();
  const usage = new UsageBook();
  const losses: string[] = [];
  const clock = { nowMs: NOW_MS };
  const pipeline = createPipeline({
    realm: 'live',
    counters,
    leases,
    leaseClient: leases,
    usage,
    now: () => clock.nowMs,
    replays: options.replays === false ? null : attachReplays(createReplayMemory(new Uint8Array(16), 0, 16)),
    staleAfterMs: options.staleAfterMs ?? null,
    onLoss: (limit, did) => losses.push(`${limit} ${did}`),
  });
  pipeline.setIndex(index);
  if (options.peppers !== false) pipeline.setPeppers(pepperRing([[1, PEPPER]]));
  const plan = () =>
    compilePlan({
      settings: {
        ...EMPTY_SETTINGS,
        limits: options.limits ?? null,
        apiKey: { ...DEFAULT_API_KEY_SETTINGS, enabled: true, ...options.settings },
      },
      upstreams: [],
      tiers: options.tiers ?? [],
      routes: options.routes ?? [route('/closed'), route('/open', [], { auth: 'none' })],
    });
  if (options.plan !== false) pipeline.setPlan(plan());
  const send = (key: TestKey | null, ask: Ask) =>
    pipeline.decide(
      facts({ ...ask, headers: [...(key === null ? [] : [['X-FluxGate-API-Key', key.text] as const]), ...(ask.headers ?? [])] }),
    );
  return {
    pipeline,
    index,
    counters,
    leases,
    usage,
    losses,
    clock,
    ask(key, ask = {}) {
      const decision = send(key, ask);
      if (decision instanceof Promise) throw new Error('the decision was made to wait');
      return decision;
    },
    askSlowly: async (key, ask = {}) => send(key, ask),
  };
}

/** What the client sees of a decision: `401 invalid_api_key`, or `forward`. */
export function seen(decision: Decision): string {
  return decision.kind === 'forward' ? 'forward' : `${decision.status} ${decision.code}`;
}

export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i]?.toLowerCase() === name.toLowerCase()) return headers[i + 1];
  return undefined;
}

export function forwarded(decision: Decision): Forward {
  if (decision.kind !== 'forward') throw new Error(`refused: ${seen(decision)} (${decision.because})`);
  return decision;
}
