import type { OperationId } from './endpoints.ts';
import type { BodyOf } from './operations.ts';

const hourMs = 3_600_000;

/** Example requests of the OpenAPI document; a test parses each with the schema of its operation. */
export const examples: { readonly [Id in OperationId]?: { readonly request: BodyOf<Id> } } = {
  keysGenerate: {
    request: {
      name: 'analytics-service',
      scopes: ['read:metrics'],
      quota: { limit: 50_000, window: 'day', zone: 'UTC' },
      expiresInMs: 90 * 24 * hourMs,
      owner: 'team-analytics',
    },
  },
  keysUpdate: { request: { cidrs: ['10.0.4.0/24', '2001:db8::/32'] } },
  keysRenew: { request: { expiresInMs: 30 * 24 * hourMs } },
  keysRevoke: { request: { reason: 'found in a public repository' } },
  keysRotate: { request: { graceMs: 24 * hourMs } },
  rotationsFinish: { request: { whenIdleMs: hourMs / 6 } },
  rotationsAbort: { request: {} },
  secretsSet: { request: { path: 'secret/data/oauth2', field: 'client_secret', value: 'from the provider' } },
  secretsRotatePepper: { request: {} },
  nodeTokensCreate: { request: { name: 'gateway-eu-1', expiresInMs: 24 * hourMs } },
  adminTokensCreate: { request: { name: 'ci', role: 'key-rotator', expiresInMs: 90 * 24 * hourMs } },
  configApply: {
    request: { files: [{ name: 'fluxgate.yaml', text: 'route: /status\nupstream: http://127.0.0.1:9000\nauth: none\n' }] },
  },
  clientsCreate: {
    request: { name: 'orders-worker', scopes: ['read:orders'], audiences: ['orders-api'], tokenTtlMs: hourMs / 6 },
  },
  clientsUpdate: { request: { enabled: false } },
  clientsRotateSecret: { request: { graceMs: 24 * hourMs } },
  jwksRotate: { request: {} },
  jwksRefresh: { request: { issuer: 'https://auth.example.com' } },
  jwksEvict: { request: { issuer: 'https://auth.example.com', kid: 'rsa-2026-11' } },
  routesTest: { request: { method: 'GET', url: '/api/v2/metrics?window=1h' } },
  authVerify: { request: { endpoint: '/internal/gateway', mode: 'strict' } },
  oauth2Configure: {
    request: { redirectUris: ['https://app.example.com/callback'], scopes: ['read:inventory', 'write:orders'] },
  },
};
