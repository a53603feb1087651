/** One of each kind of route in front of one upstream. */
export const sampleConfig = (upstreamUrl: string): string => `
version: 1
fluxgate:
  auth:
    api_key:
      enabled: true
      header_name: "X-FluxGate-API-Key"
      vault_path: "secret/data/api-keys"
      validation: { algorithm: "HMAC-SHA256", max_age: 7776000s, max_requests: unlimited, fallback_action: "reject" }
upstreams:
  metrics: { targets: ["${upstreamUrl}"] }
tiers:
  production: { scope: "env:production", rate: 5000/min }
  staging: { scope: "env:staging", rate: 5/min }
---
route: /public
upstream: metrics
auth: none
---
route: /internal/gateway
upstream: metrics
---
route: /api/v2/metrics
upstream: metrics
methods: [GET, HEAD]
middleware:
  - api_key: { scopes: ["read:metrics"] }
---
route: /api/v2/reports
upstream: metrics
middleware:
  - ip_allow: ["127.0.0.0/8", "::1/128"]
  - api_key: { scopes: ["read:reports"], query_parameter: api_key }
---
route: /partners
upstream: metrics
middleware:
  - ip_allow: ["10.0.4.0/24"]
  - api_key: {}
---
route: /api/v2/payments
upstream: metrics
middleware:
  - jwt: { issuer: "https://auth.stripe.com", audience: payments-api, jwks_uri: "https://auth.stripe.com/.well-known/jwks.json" }
---
route: /app
upstream: metrics
middleware:
  - oauth2: { issuer: "https://accounts.google.com", client_id: gx_88291a, redirect_uri: "https://app.example.com/callback" }
---
route: /nowhere
`;
