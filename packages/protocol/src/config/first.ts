import type {
  JwtSettings,
  Middleware,
  OAuth2Settings,
  RealmConfig,
  RouteSpec,
  Settings,
  TierSpec,
  UpstreamSpec,
} from '@fluxgate/policy';
import { parseAllDocuments } from 'yaml';
import type { Diagnostic } from '../admin/resources.ts';
import type { ConfigFile, ParsedConfig } from './input.ts';

type Raw = Record<string, unknown>;
const map = (v: unknown): Raw => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Raw) : {});
const list = (v: unknown): unknown[] => (Array.isArray(v) ? v : v === undefined || v === null ? [] : [v]);
const texts = (v: unknown): string[] => list(v).map(String);
const text = (v: unknown): string | null => (v === undefined || v === null ? null : String(v));
const UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const ms = (v: unknown, fallback: number): number => {
  const found = /^(\d+)(ms|s|min|m|h|d|w)$/.exec(String(v ?? ''));
  return found ? Number(found[1]) * UNIT[found[2]!]! : fallback;
};
const rate = (v: unknown) => {
  const found = /^(\d+)\/(s|min|h|d)$/.exec(String(v));
  return { limit: Number(found?.[1] ?? 0), perMs: UNIT[found?.[2] ?? 's']! };
};

const jwt = (j: Raw, skewMs: number): JwtSettings => {
  const v = { ...j, ...map(j['validation']) };
  return {
    enabled: j['enabled'] !== false,
    issuer: text(v['issuer']),
    audience: texts(v['audience']),
    jwksUri: text(v['jwks_uri']),
    cacheTtlMs: ms(v['cache_ttl'], 300_000),
    requiredClaims: texts(v['required_claims']),
    requiredScopes: texts(v['required_scopes']),
    clockSkewMs: ms(v['clock_skew'] ?? v['clockSkewTolerance'], skewMs),
    algorithms: v['algorithm'] === undefined ? ['RS256', 'ES256', 'ES384'] : texts(v['algorithm']),
    claimsToHeaders: map(v['claims_to_headers']) as Record<string, string>,
  };
};
const oauth2 = (o: Raw): OAuth2Settings => {
  const callback = map(o['callback']);
  return {
    enabled: o['enabled'] !== false,
    issuer: text(o['issuer']),
    clientId: text(o['client_id']) ?? '',
    clientSecretRef: text(o['client_secret_ref']),
    authorizationUrl: text(o['authorization_url']),
    tokenUrl: text(o['token_url']),
    introspectionUrl: text(o['introspection_url']),
    redirectUri: text(o['redirect_uri']),
    codeChallengeMethod: 'S256',
    callback: {
      path: text(callback['path']) ?? '/auth/callback',
      stateTtlMs: ms(callback['state_ttl'], 600_000),
      redirectSuccess: text(callback['redirect_success']) ?? '/',
      redirectFailure: text(callback['redirect_failure']) ?? '/',
    },
    scopes: texts(o['scopes']),
    audience: texts(o['audience']),
    scopeRoutes: map(o['scope_routes']) as Record<string, string[]>,
  };
};
const middleware = (m: unknown): Middleware[] =>
  Object.entries(map(m)).map(([kind, value]): Middleware => {
    const v = map(value);
    if (kind === 'api_key') return { kind, scopes: texts(v['scopes']), queryParameter: text(v['query_parameter']) };
    if (kind === 'jwt') return { kind, jwt: jwt(v, 60_000) };
    if (kind === 'oauth2') return { kind, oauth2: oauth2(v) };
    if (kind === 'any_of') return { kind, of: list(value).flatMap(middleware) };
    if (kind === 'ip_allow') {
      const all = texts(value);
      return {
        kind,
        cidrs: all.filter((one) => !one.startsWith('vpce-')),
        vpcEndpoints: all.filter((one) => one.startsWith('vpce-')),
      };
    }
    const r = rate(v['rate']);
    return {
      kind: 'rate_limit',
      rate: r,
      burst: Number(v['burst'] ?? r.limit),
      by: v['by'] === 'address' ? 'address' : 'key',
      onAuthorityLoss: 'local',
    };
  });

/** First cut: reads what is right; the schema that judges what is wrong replaces it. */
export function parseConfig(files: readonly ConfigFile[]): ParsedConfig {
  const diagnostics: Diagnostic[] = [];
  const settings: { -readonly [K in keyof Settings]?: Settings[K] } = {};
  const upstreams: UpstreamSpec[] = [];
  let tiers: TierSpec[] | null = null;
  const routes: RouteSpec[] = [];
  for (const file of files) {
    for (const document of parseAllDocuments(file.text)) {
      for (const error of document.errors ?? [])
        diagnostics.push({
          severity: 'error',
          code: 'yaml',
          file: file.name,
          line: error.linePos?.[0].line ?? 1,
          column: error.linePos?.[0].col ?? 1,
          message: error.message,
          remedy: null,
        });
      const root = map(document.toJS());
      const gate = map(root['fluxgate']);
      const auth = map(gate['auth']);
      if (gate['public_url'] !== undefined) settings.publicUrl = text(gate['public_url']);
      if (gate['trusted_proxies'] !== undefined) settings.trustedProxies = texts(gate['trusted_proxies']);
      if (auth['api_key'] !== undefined) {
        const a = map(auth['api_key']);
        const v = map(a['validation']);
        const e = map(a['error_response']);
        settings.apiKey = {
          enabled: a['enabled'] !== false,
          headerName: text(a['header_name']) ?? 'X-FluxGate-API-Key',
          vaultPath: text(a['vault_path']) ?? 'secret/data/api-keys',
          maxAgeMs: ms(v['max_age'], 7_776_000_000),
          maxRequests: typeof v['max_requests'] === 'number' ? v['max_requests'] : null,
          fallbackAction: v['fallback_action'] === 'last_known' ? 'last_known' : 'reject',
          errorResponse: {
            status: Number(e['status'] ?? 401),
            body: text(e['body']) ?? '{"error": "invalid_api_key", "trace_id": "{{.TraceID}}"}',
          },
          onAuthorityLoss: 'deny',
        };
      }
      if (auth['jwt'] !== undefined) settings.jwt = jwt(map(auth['jwt']), 120_000);
      if (auth['oauth2'] !== undefined) settings.oauth2 = oauth2(map(auth['oauth2']));
      for (const [name, value] of Object.entries(map(root['upstreams']))) {
        const u = map(value);
        const t = map(u['timeout']);
        const h = map(u['health']);
        upstreams.push({
          name,
          targets: list(u['targets']).map((one) =>
            typeof one === 'string'
              ? { url: one, weight: 1 }
              : { url: String(map(one)['url']), weight: Number(map(one)['weight'] ?? 1) },
          ),
          balance: (text(u['balance']) ?? 'round_robin') as UpstreamSpec['balance'],
          timeout: { connectMs: ms(t['connect'], 2000), firstByteMs: ms(t['first_byte'], 30_000), idleMs: ms(t['idle'], 60_000) },
          health: u['health'] === undefined ? null : { path: text(h['path']) ?? '/', intervalMs: ms(h['interval'], 5000) },
        });
      }
      if (root['tiers'] !== undefined)
        tiers = Object.entries(map(root['tiers'])).map(([name, v]) => ({
          name,
          scope: String(map(v)['scope']),
          rate: rate(map(v)['rate']),
        }));
      if (root['route'] !== undefined) {
        const prefix = String(root['route']);
        const host = text(root['host']);
        const upstream = text(root['upstream']);
        routes.push({
          name: text(root['name']) ?? `${host ?? ''}${prefix}`,
          prefix,
          host,
          methods: root['methods'] === undefined ? null : texts(root['methods']),
          upstream: upstream === null ? null : /^https?:/.test(upstream) ? { url: upstream } : { name: upstream },
          auth: root['auth'] === 'none' ? 'none' : 'required',
          middleware: list(root['middleware']).flatMap(middleware),
          labels: map(root['labels']) as Record<string, string>,
          owner: text(root['owner']),
        });
      }
    }
  }
  return { input: { settings, upstreams, tiers, routes }, diagnostics, positions: new Map() };
}

export function diagnose(_config: RealmConfig, _positions: ParsedConfig['positions']): Diagnostic[] {
  return [];
}
export const renderConfig = (config: RealmConfig): string => JSON.stringify(config, null, 2);
export const configReference = (): string => '';
