import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  DEFAULT_API_KEY_SETTINGS,
  DEFAULT_UPSTREAM,
  EMPTY_SETTINGS,
  encodeKid,
  encodeSecret,
  type Grant,
  PLAIN_ROUTE,
  type Rate,
  type RealmConfig,
  type RouteSpec,
} from '@fluxgate/policy';
import {
  createSigner,
  ENTITY,
  encodeKeyPayload,
  encodeRecords,
  encodeSnapshot,
  formatNodeToken,
  generateSealingKey,
  generateSigningKey,
  jsonPayload,
  publicKeyFingerprint,
  putRecord,
  type StateRecord,
  sealTo,
  stateCodec,
  ZERO_HASH,
} from '@fluxgate/protocol/sync';
import type { BenchKey, BenchKeys } from './keys.ts';

const PLENTY: Rate = { limit: 50_000_000, perMs: 60_000 };
const byKey = { kind: 'rate_limit', rate: PLENTY, burst: 1_000_000, by: 'key', onAuthorityLoss: 'local' } as const;
const key = { kind: 'api_key', scopes: ['read:metrics'], queryParameter: null } as const;

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

export interface Realm {
  readonly upstreamPort: number;
  /** Where TLS is terminated; null: nowhere. */
  readonly tlsPort: number | null;
  /** Routes besides those that are measured. */
  readonly moreRoutes: number;
}

/** What the benchmarks ask for: `/api/v2/metrics` by key, `/checked` with every check there is, `/open`. */
function realmConfig({ upstreamPort, tlsPort, moreRoutes }: Realm): RealmConfig {
  const tls = [{ cert: 'file:bench.pem', key: 'file:bench.key' }];
  return {
    settings: {
      ...EMPTY_SETTINGS,
      apiKey: { ...DEFAULT_API_KEY_SETTINGS, enabled: true },
      listeners:
        tlsPort === null
          ? []
          : [{ address: `127.0.0.1:${tlsPort}`, tls, clientCa: null, clientCerts: 'off', proxyProtocol: 'off' }],
    },
    upstreams: [{ ...DEFAULT_UPSTREAM, name: 'all', targets: [{ url: `http://127.0.0.1:${upstreamPort}`, weight: 1 }] }],
    tiers: [{ name: 'bench', scope: 'env:bench', rate: PLENTY }],
    routes: [
      route('/api/v2/metrics', { middleware: [key, byKey] }),
      route('/checked', {
        methods: ['GET'],
        middleware: [
          { kind: 'ip_allow', cidrs: ['10.0.0.0/8', '127.0.0.0/8', '192.168.0.0/16'], vpcEndpoints: [] },
          { ...byKey, by: 'address' },
          key,
          byKey,
        ],
      }),
      route('/open', { auth: 'none' }),
      ...Array.from({ length: moreRoutes }, (_, i) => route(`/service-${i}/v1`, { auth: 'none' })),
    ],
  };
}

const grants: readonly Grant[] = [
  { scopes: ['read:metrics', 'env:bench'], routes: null, cidrs: null, quota: null, requestBudget: null, owner: 'bench' },
  {
    scopes: ['read:metrics', 'env:bench'],
    routes: ['/checked'],
    cidrs: ['127.0.0.0/8', '10.1.0.0/16'],
    quota: null,
    requestBudget: null,
    owner: 'bench',
  },
];

function records(config: RealmConfig, keys: BenchKeys): StateRecord[] {
  const put = (grant: number, first: number) => (one: BenchKey, i: number) =>
    putRecord(
      ENTITY.key,
      one.kid,
      encodeKeyPayload({
        digest: one.digest,
        pepperVersion: 1,
        state: 'active',
        notAfterS: 0xffff_ffff,
        grant,
        credential: first + i,
        name: `bench-client-${first + i}`,
      }),
    );
  return [
    putRecord(ENTITY.settings, '', jsonPayload(config.settings)),
    ...config.upstreams.map((one) => putRecord(ENTITY.upstream, one.name, jsonPayload(one))),
    putRecord(ENTITY.tiers, '', jsonPayload(config.tiers)),
    ...config.routes.map((one) => putRecord(ENTITY.route, one.name, jsonPayload(one))),
    ...grants.map((one, i) => putRecord(ENTITY.grant, String(i + 1), jsonPayload(one))),
    ...keys.plain.map(put(1, 1)),
    ...keys.confined.map(put(2, 1 + keys.plain.length)),
  ];
}

/**
 * A data directory as a node leaves it behind: its identity, its secrets sealed to it, a signed snapshot. A gateway starts from it without any
 * control plane, as after an outage, so that nothing but the gateway runs. Returns the node token that belongs to it.
 */
export function seedDataDirectory(dir: string, realm: Realm, keys: BenchKeys): string {
  mkdirSync(dir, { mode: 0o700 });
  const write = (name: string, content: string | Uint8Array): void => writeFileSync(join(dir, name), content, { mode: 0o600 });
  const signing = generateSigningKey();
  const fingerprint = publicKeyFingerprint(signing.publicKey);
  const publicKey = signing.publicKey.toString('base64');
  write('identity.json', JSON.stringify({ realm: 'live', fingerprint, keys: [{ id: 1, publicKey }], formerEpochs: [] }));

  const sealing = generateSealingKey();
  write('node.key', sealing.privateKey);
  const generation = 'bench-1';
  const content = { generation, peppers: { 1: keys.pepper.toString('base64') }, diskKey: Buffer.alloc(32).toString('base64') };
  const sealed = sealTo(sealing.publicKey, Buffer.from(JSON.stringify(content))).toString('base64');
  write('secrets.sealed', JSON.stringify({ t: 'secrets', generation, sealed }));

  const all = records(realmConfig(realm), keys);
  let digest: Uint8Array = ZERO_HASH;
  for (const { kind, id, payload } of all) digest = stateCodec.add(digest, stateCodec.hash(kind, id, payload!));
  const revision = 1;
  const chain = stateCodec.chain(ZERO_HASH, revision, encodeRecords(all));
  const parts = encodeSnapshot(createSigner(1, signing.seed), {
    epoch: 'bench',
    id: Buffer.alloc(16, 1),
    revision,
    chain,
    digest,
    records: all,
  });
  write(`snapshot-${revision}.fgs`, Buffer.concat(parts));
  return formatNodeToken('live', encodeKid(Buffer.alloc(16, 1)), encodeSecret(Buffer.alloc(32, 2)), fingerprint);
}
