import { PLAIN_ROUTE } from '../edges/model.ts';
import type {
  ApiKeySettings,
  JwtSettings,
  Middleware,
  OAuth2Settings,
  RealmConfig,
  RouteSpec,
  Settings,
  UpstreamSpec,
} from '../model.ts';
import { DEFAULT_API_KEY_SETTINGS } from './compile.ts';
import { DEFAULT_UPSTREAM } from './upstream.ts';

/** Whole objects for the tests of this room, each with what a test wants changed. */

export const apiKeySettings = (change: Partial<ApiKeySettings> = {}): ApiKeySettings => ({
  ...DEFAULT_API_KEY_SETTINGS,
  enabled: true,
  ...change,
});

export const jwtSettings = (change: Partial<JwtSettings> = {}): JwtSettings => ({
  enabled: true,
  issuer: 'https://issuer.example',
  audience: ['orders-api'],
  jwksUri: 'https://issuer.example/jwks.json',
  cacheTtlMs: 300_000,
  requiredClaims: ['sub'],
  requiredScopes: [],
  clockSkewMs: 60_000,
  algorithms: ['RS256'],
  claimsToHeaders: {},
  preset: 'standard',
  claimsToScopes: [],
  typ: [],
  maxLifetimeMs: null,
  ...change,
});

export const oauth2Settings = (change: Partial<OAuth2Settings> = {}): OAuth2Settings => ({
  enabled: true,
  issuer: 'https://issuer.example',
  clientId: 'gx_1',
  clientSecretRef: 'vault:secret/data/oauth2#client_secret',
  authorizationUrl: null,
  tokenUrl: null,
  introspectionUrl: null,
  redirectUri: 'https://app.example.com/callback',
  codeChallengeMethod: 'S256',
  callback: { path: '/auth/callback', stateTtlMs: 600_000, redirectSuccess: '/', redirectFailure: '/' },
  scopes: [],
  audience: [],
  scopeRoutes: {},
  ...change,
});

export const settings = (change: Partial<Settings> = {}): Settings => ({
  publicUrl: null,
  trustedProxies: [],
  listeners: [],
  limits: null,
  apiKey: apiKeySettings(),
  jwt: null,
  oauth2: null,
  ...change,
});

export const upstream = (change: Partial<UpstreamSpec> = {}): UpstreamSpec => ({
  name: 'metrics',
  targets: [{ url: 'http://127.0.0.1:9000', weight: 1 }],
  ...DEFAULT_UPSTREAM,
  ...change,
});

export const route = (prefix: string, change: Partial<RouteSpec> = {}): RouteSpec => ({
  name: `${change.host ?? ''}${prefix}`,
  prefix,
  host: null,
  methods: null,
  upstream: { name: 'metrics' },
  auth: 'required',
  middleware: [],
  labels: {},
  owner: null,
  ...PLAIN_ROUTE,
  ...change,
});

export const config = (change: Partial<RealmConfig> = {}): RealmConfig => ({
  settings: settings(),
  upstreams: [upstream()],
  tiers: [],
  routes: [route('/')],
  ...change,
});

export const byKey: Middleware = { kind: 'api_key', scopes: ['read:metrics'], queryParameter: null };
export const byJwt: Middleware = { kind: 'jwt', jwt: jwtSettings() };
export const byOAuth2: Middleware = { kind: 'oauth2', oauth2: oauth2Settings() };
export const fromOffice: Middleware = { kind: 'ip_allow', cidrs: ['10.0.4.0/24'], vpcEndpoints: [] };
export const rateBy = (by: 'key' | 'address'): Middleware => ({
  kind: 'rate_limit',
  rate: { limit: 100, perMs: 1000 },
  burst: 20,
  by,
  onAuthorityLoss: 'local',
});
