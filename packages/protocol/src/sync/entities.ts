import type { Grant, Middleware, RouteSpec, Settings, TierSpec, UpstreamSpec } from '@fluxgate/policy';
import { z } from 'zod';
import { type Decoded, ENTITY } from './records.ts';

/**
 * The normalised configuration as it stands in JSON payloads. Strict: a field that this version does not know makes the entity
 * unreadable (it is held), because a rule that is read and not understood is a rule that is not enforced.
 */

const ms = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const bytes = ms;
const count = z.number().int().min(1);
const texts = z.array(z.string());
const Rate = z.object({ limit: z.number().positive(), perMs: z.number().positive() }).strict();
const OnAuthorityLoss = z.enum(['deny', 'local', 'allow']);

const ApiKeySettings = z
  .object({
    enabled: z.boolean(),
    headerName: z.string(),
    vaultPath: z.string(),
    maxAgeMs: ms,
    maxRequests: z.number().int().min(0).nullable(),
    fallbackAction: z.enum(['reject', 'last_known']),
    errorResponse: z.object({ status: z.number().int(), body: z.string() }).strict(),
    onAuthorityLoss: OnAuthorityLoss,
  })
  .strict();

const JwtSettings = z
  .object({
    enabled: z.boolean(),
    issuer: z.string().nullable(),
    audience: texts,
    jwksUri: z.string().nullable(),
    cacheTtlMs: ms,
    requiredClaims: texts,
    requiredScopes: texts,
    clockSkewMs: ms,
    algorithms: texts,
    claimsToHeaders: z.record(z.string(), z.string()),
    // Added later: absent in states that were written before.
    preset: z.string().default('standard'),
    claimsToScopes: texts.default([]),
    typ: texts.default([]),
    maxLifetimeMs: ms.nullable().default(null),
  })
  .strict();

const OAuth2Settings = z
  .object({
    enabled: z.boolean(),
    issuer: z.string().nullable(),
    clientId: z.string(),
    clientSecretRef: z.string().nullable(),
    authorizationUrl: z.string().nullable(),
    tokenUrl: z.string().nullable(),
    introspectionUrl: z.string().nullable(),
    redirectUri: z.string().nullable(),
    codeChallengeMethod: z.literal('S256'),
    callback: z.object({ path: z.string(), stateTtlMs: ms, redirectSuccess: z.string(), redirectFailure: z.string() }).strict(),
    scopes: texts,
    audience: texts,
    scopeRoutes: z.record(z.string(), texts),
  })
  .strict();

export const SettingsEntity: z.ZodType<Settings> = z
  .object({
    publicUrl: z.string().nullable(),
    trustedProxies: texts,
    listeners: z.array(
      z
        .object({
          address: z.string(),
          tls: z.array(z.object({ cert: z.string(), key: z.string() }).strict()),
          clientCa: z.string().nullable().default(null),
          clientCerts: z.enum(['off', 'optional', 'required']).default('off'),
          proxyProtocol: z.enum(['off', 'v1', 'v2', 'any']),
        })
        .strict(),
    ),
    limits: z
      .object({
        address: z.object({ rate: Rate, burst: z.number().positive() }).strict().nullable(),
        bodyBytes: bytes.nullable(),
        headBytes: bytes.nullable(),
      })
      .strict()
      .nullable()
      .default(null),
    apiKey: ApiKeySettings.nullable(),
    jwt: JwtSettings.nullable(),
    oauth2: OAuth2Settings.nullable(),
  })
  .strict();

export const UpstreamEntity: z.ZodType<UpstreamSpec> = z
  .object({
    name: z.string(),
    targets: z.array(z.object({ url: z.string(), weight: z.number() }).strict()),
    balance: z.enum(['round_robin', 'least_requests', 'consistent_hash']),
    timeout: z.object({ connectMs: ms, firstByteMs: ms, idleMs: ms, totalMs: ms.nullable().default(null) }).strict(),
    health: z
      .object({
        path: z.string(),
        intervalMs: ms,
        timeoutMs: ms.default(2000),
        healthy: count.default(2),
        unhealthy: count.default(2),
        expect: z.array(z.number().int()).nullable().default(null),
      })
      .strict()
      .nullable(),
    tls: z
      .object({ ca: z.string().nullable(), sni: z.string().nullable(), verify: z.boolean() })
      .strict()
      .nullable()
      .default(null),
    maxConnections: count.nullable().default(null),
    queue: z.number().int().min(0).nullable().default(null),
    retries: z.number().int().min(0).nullable().default(null),
    outlier: z.object({ failures: count, ejectionMs: ms }).strict().nullable().default(null),
  })
  .strict();

export const TiersEntity: z.ZodType<TierSpec[]> = z.array(z.object({ name: z.string(), scope: z.string(), rate: Rate }).strict());

/** `any_of` inside `any_of` is allowed to this depth; a payload is bounded, a recursion should be too. */
const MIDDLEWARE_DEPTH_MAX = 4;

function middleware(depth: number): z.ZodType<Middleware> {
  const plain = [
    z
      .object({
        kind: z.literal('api_key'),
        scopes: texts,
        queryParameter: z.string().nullable(),
        signature: z.object({ maxAgeMs: ms, covers: texts }).strict().optional(),
      })
      .strict(),
    z.object({ kind: z.literal('jwt'), jwt: JwtSettings }).strict(),
    z.object({ kind: z.literal('oauth2'), oauth2: OAuth2Settings }).strict(),
    z.object({ kind: z.literal('ip_allow'), cidrs: texts, vpcEndpoints: texts }).strict(),
    z
      .object({
        kind: z.literal('rate_limit'),
        rate: Rate,
        burst: z.number().positive(),
        by: z.enum(['key', 'address']),
        onAuthorityLoss: OnAuthorityLoss,
      })
      .strict(),
  ] as const;
  if (depth === 0) return z.discriminatedUnion('kind', plain);
  return z.discriminatedUnion('kind', [
    ...plain,
    z.object({ kind: z.literal('any_of'), of: z.array(middleware(depth - 1)) }).strict(),
  ]);
}

const HeaderMap = z.record(z.string(), z.string());
const headerChanges = { set: HeaderMap, add: HeaderMap, remove: texts };

/** Fields that came after the first release have defaults here, so that what was stored before still reads. */
const routeEdges = {
  cors: z
    .object({
      origins: z.union([z.literal('*'), texts]),
      methods: texts.nullable(),
      headers: texts.nullable(),
      expose: texts,
      credentials: z.boolean(),
      maxAgeMs: ms,
    })
    .strict()
    .nullable()
    .default(null),
  bodyMaxBytes: bytes.nullable().default(null),
  request: z
    .object({ ...headerChanges, stripPrefix: z.boolean(), rewritePrefix: z.string().nullable(), host: z.string() })
    .strict()
    .nullable()
    .default(null),
  response: z.object(headerChanges).strict().nullable().default(null),
  websocket: z.object({ idleMs: ms, lifetimeMs: ms }).strict().nullable().default(null),
  serverTiming: z.boolean().default(false),
};

export const RouteEntity: z.ZodType<RouteSpec> = z
  .object({
    name: z.string(),
    prefix: z.string(),
    host: z.string().nullable(),
    methods: texts.nullable(),
    upstream: z.union([z.object({ name: z.string() }).strict(), z.object({ url: z.string() }).strict()]).nullable(),
    auth: z.enum(['required', 'none']),
    middleware: z.array(middleware(MIDDLEWARE_DEPTH_MAX)),
    labels: z.record(z.string(), z.string()),
    owner: z.string().nullable(),
    ...routeEdges,
  })
  .strict();

export const GrantEntity: z.ZodType<Grant> = z
  .object({
    scopes: texts,
    routes: texts.nullable(),
    cidrs: texts.nullable(),
    quota: z
      .object({ limit: z.number().int().min(0), window: z.enum(['hour', 'day', 'month']), zone: z.string() })
      .strict()
      .nullable(),
    requestBudget: z.number().int().min(0).nullable(),
    owner: z.string().nullable(),
    signing: z
      .discriminatedUnion('algorithm', [
        z.object({ algorithm: z.literal('hmac-sha256') }).strict(),
        z.object({ algorithm: z.literal('ed25519'), publicKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }).strict(),
      ])
      .optional(),
  })
  .strict();

/** What a payload of the JSON kinds decodes to, told apart by kind. */
export type ConfigEntity =
  | { readonly kind: typeof ENTITY.settings; readonly value: Settings }
  | { readonly kind: typeof ENTITY.upstream; readonly value: UpstreamSpec }
  | { readonly kind: typeof ENTITY.tiers; readonly value: TierSpec[] }
  | { readonly kind: typeof ENTITY.route; readonly value: RouteSpec };

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeJson<T>(schema: z.ZodType<T>, payload: Uint8Array): Decoded<T> {
  let json: unknown;
  try {
    json = JSON.parse(UTF8.decode(payload));
  } catch {
    return { ok: false, why: 'the payload is not JSON' };
  }
  const result = schema.safeParse(json);
  if (result.success) return { ok: true, value: result.data };
  const first = result.error.issues[0];
  return { ok: false, why: `${first?.path.join('.') || 'payload'}: ${first?.message ?? 'not of this shape'}` };
}

export function decodeGrant(payload: Uint8Array): Decoded<Grant> {
  return decodeJson(GrantEntity, payload);
}

/** Settings, upstreams, tiers and routes. The id must agree with the name inside. */
export function decodeConfigEntity(kind: number, id: string, payload: Uint8Array): Decoded<ConfigEntity> {
  switch (kind) {
    case ENTITY.settings:
    case ENTITY.tiers: {
      if (id !== '') return { ok: false, why: 'there is only one, with an empty id' };
      if (kind === ENTITY.settings) return tagged(kind, decodeJson(SettingsEntity, payload));
      return tagged(kind, decodeJson(TiersEntity, payload));
    }
    case ENTITY.upstream:
      return named(id, tagged(kind, decodeJson(UpstreamEntity, payload)));
    case ENTITY.route:
      return named(id, tagged(kind, decodeJson(RouteEntity, payload)));
    default:
      return { ok: false, why: 'this version does not know the kind' };
  }
}

function tagged<K extends number, T>(kind: K, decoded: Decoded<T>): Decoded<{ kind: K; value: T }> {
  return decoded.ok ? { ok: true, value: { kind, value: decoded.value } } : decoded;
}

function named<T extends { value: { name: string } }>(id: string, decoded: Decoded<T>): Decoded<T> {
  if (decoded.ok && decoded.value.value.name !== id) return { ok: false, why: 'the name inside is not the id' };
  return decoded;
}
