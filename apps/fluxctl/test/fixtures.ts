import type {
  IssuedClient,
  IssuedKey,
  IssuerStatus,
  Key,
  Node,
  ResponseOf,
  RotatedKey,
  Rotation,
  VerifyReport,
} from '@fluxgate/protocol/admin';

/** Answers of a control plane; a test reads each with the schema of its operation. */
export const SECRET = 'fgk_live_3kTq8mXcT9aL_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGaBcDeF';
const DAY_MS = 86_400_000;

export const key: Key = {
  id: 'key_01J9ZK',
  name: 'analytics-service',
  realm: 'live',
  key: 'fgk_live_3kTq8mXcT9aL_…bcDeF',
  state: 'active',
  owner: null,
  labels: {},
  scopes: ['read:metrics'],
  routes: null,
  cidrs: null,
  tier: null,
  quota: { limit: 50_000, window: 'day', zone: 'UTC' },
  requestBudget: null,
  rotation: null,
  rotationDueAt: null,
  expiresAt: '2026-12-28T09:12:00Z',
  lastUsedAt: null,
  createdAt: '2026-09-29T09:12:00Z',
  updatedAt: '2026-09-29T09:12:00Z',
  versions: [
    {
      kid: '3kTq8mXcT9aL',
      number: 1,
      state: 'active',
      lastFour: 'cDeF',
      createdAt: '2026-09-29T09:12:00Z',
      notAfter: '2026-12-28T09:12:00Z',
      endedAt: null,
      reason: null,
      lastUsedAt: null,
      lastAddress: null,
      lastUserAgent: null,
      budget: null,
    },
  ],
};
export const converged = { revision: 812, nodes: 2, reached: 2, converged: true, pending: [], elapsedMs: 104 };
export const behind = { revision: 812, nodes: 2, reached: 1, converged: false, pending: ['gateway-2'], elapsedMs: 60_000 };
export const noNodes = { revision: 812, nodes: 0, reached: 0, converged: true, pending: [], elapsedMs: 1 };
export const issued: IssuedKey = { revision: 812, convergence: converged, key, secret: SECRET, replayed: false };
export const rotation: Rotation = {
  id: 'rot_7Q2',
  keyId: key.id,
  keyName: key.name,
  fromKid: '3kTq8mXcT9aL',
  toKid: '9aLb3kTq8mXc',
  fromVersion: 3,
  toVersion: 4,
  state: 'retiring',
  graceUntil: '2026-09-30T09:12:00Z',
  createdAt: '2026-09-29T09:12:00Z',
  endedAt: null,
  actor: 'ci',
  oldLastUsedAt: null,
  oldLastAddress: null,
  oldLastUserAgent: null,
};
export const rotated: RotatedKey = {
  revision: 812,
  convergence: converged,
  key,
  rotation,
  secret: SECRET,
  replayed: false,
  delivered: null,
};
export const dueKey: Key = {
  ...key,
  rotation: { everyMs: 60 * DAY_MS, graceMs: 2 * 3_600_000, deliver: null },
  rotationDueAt: '2026-09-28T00:00:00Z',
};
const node = (name: string, applied: number): Node => ({
  name,
  realm: 'live',
  state: applied === 812 ? 'converged' : 'behind',
  version: '0.1.0',
  applied,
  durable: applied,
  lag: 812 - applied,
  quarantined: [],
  firstSeenAt: '2026-09-01T00:00:00Z',
  lastSeenAt: '2026-09-29T09:11:59Z',
});
export const nodes: ResponseOf<'nodesList'> = {
  revision: 812,
  digest: '00',
  items: [node('gateway-1', 812), node('gateway-2', 811)],
};
export const whoami: ResponseOf<'whoami'> = {
  actor: 'ana',
  kid: '7Kq2mXcT9aLb',
  role: 'operator',
  realm: 'live',
  expiresAt: '2026-10-05T09:12:00Z',
  serverVersion: '0.1.0',
  epoch: 'e1',
  revision: 812,
};
export const report: VerifyReport = {
  endpoint: '/internal/gateway',
  mode: 'strict',
  result: 'fail',
  revision: 812,
  checks: [
    { id: 'route', title: 'A route matches', status: 'pass', node: null, detail: '1 match, none shadowed', remedy: null },
    {
      id: 'refusals',
      title: 'Bad credentials are refused',
      status: 'pass',
      node: 'gateway-1',
      detail: '7 probes: all 401',
      remedy: null,
    },
    {
      id: 'spoofing',
      title: 'Identity headers are stripped',
      status: 'fail',
      node: 'gateway-2',
      detail: 'forwards client header X-Consumer-Id',
      remedy: 'upgrade gateway-2',
    },
  ],
  summary: { pass: 2, warn: 0, fail: 1, notRun: 0 },
};
export const oauth2Updated: ResponseOf<'oauth2Configure'> = {
  revision: 813,
  convergence: { ...converged, revision: 813 },
  outcome: 'updated',
  client: {
    clientId: 'gx_88291a',
    redirectUris: ['https://app.example.com/callback'],
    scopes: ['read:inventory', 'write:orders'],
    clientSecretRef: null,
    issuer: null,
    name: null,
    updatedAt: '2026-09-29T09:12:00Z',
    revision: 813,
  },
  changes: [
    { path: 'redirectUris', before: [], after: ['https://app.example.com/callback'] },
    { path: 'scopes', before: ['read:inventory'], after: ['read:inventory', 'write:orders'] },
  ],
  warnings: ['no route requires write:orders yet'],
};
export const applied: ResponseOf<'configApply'> = {
  revision: 813,
  convergence: { ...converged, revision: 813 },
  changes: [
    { action: 'create', kind: 'route', name: '/status', changes: [] },
    { action: 'update', kind: 'upstream', name: 'orders', changes: [{ path: 'timeout.connect', before: '5s', after: '10s' }] },
  ],
  warnings: [],
  dryRun: false,
};
export const issuedToken: ResponseOf<'adminTokensCreate'> = {
  token: 'fga_live_9aLb3kTq8mXc_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGaBcDeF',
  view: {
    kid: '9aLb3kTq8mXc',
    kind: 'admin',
    name: 'ci',
    realm: 'live',
    role: 'key-rotator',
    createdAt: '2026-09-29T09:12:00Z',
    createdBy: 'ana',
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
  },
  replayed: false,
};
export const routeTest: ResponseOf<'routesTest'> = {
  method: 'GET',
  url: '/api/v2/metrics',
  canonicalPath: '/api/v2/metrics',
  route: '/api/v2/metrics',
  refusal: null,
  steps: [{ stage: 'authenticate', verdict: 'needs', detail: 'an API key with read:metrics' }],
  others: [{ route: '/', why: 'a longer prefix wins' }],
  upstream: 'metrics',
};

export const CLIENT_SECRET = 'fgc_live_5pQ2wEr7tYu1_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGaBcDeF';
export const issuedClient: IssuedClient = {
  client: {
    clientId: 'client_7Kq2mXcT9aLb',
    name: 'orders-worker',
    realm: 'live',
    owner: null,
    authMethod: 'client_secret_basic',
    jwks: null,
    jwksUri: null,
    scopes: ['read:orders'],
    audiences: ['orders-api'],
    tokenTtlMs: 600_000,
    mayIntrospect: false,
    enabled: true,
    secrets: [
      {
        kid: '5pQ2wEr7tYu1',
        secret: 'fgc_live_5pQ2wEr7tYu1_…cDeF',
        createdAt: '2026-09-29T09:12:00Z',
        notAfter: null,
        lastUsedAt: null,
      },
    ],
    createdAt: '2026-09-29T09:12:00Z',
    createdBy: 'ana',
    updatedAt: '2026-09-29T09:12:00Z',
    lastUsedAt: null,
  },
  secret: CLIENT_SECRET,
  replayed: false,
};
const issuerKey = { algorithm: 'ES256', signer: 'local', stoppedAt: null, publishedUntil: null };
export const issuerStatus: IssuerStatus = {
  issuer: 'https://gw.example.com',
  tokenEndpoint: 'https://gw.example.com/oauth2/token',
  jwksUri: 'https://gw.example.com/oauth2/jwks',
  algorithm: 'ES256',
  rotateEveryMs: 30 * DAY_MS,
  keys: [
    { ...issuerKey, kid: 'k1', state: 'current', publishedAt: '2026-09-01T00:00:00Z', signsFrom: '2026-09-01T00:00:00Z' },
    { ...issuerKey, kid: 'k2', state: 'next', publishedAt: '2026-09-29T09:12:00Z', signsFrom: '2026-09-29T09:18:00Z' },
  ],
  next: { step: 'promote', at: '2026-09-29T09:18:00Z' },
};

export const sealed = {
  store: 'vault',
  ok: false,
  why: 'Vault is sealed or not ready (health, status 503)',
  remedy: 'unseal it: `bao operator unseal` or `vault operator unseal`',
  pepper: null,
};
export const pepperWaiting = {
  path: 'secret/data/api-keys',
  from: 1,
  to: 2,
  state: 'waiting',
  spread: { nodes: 2, reached: 1, pending: ['gateway-2'] },
};
