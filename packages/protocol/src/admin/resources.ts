import { z } from 'zod';
import { NAME_PATTERN, SCOPE_PATTERN } from './patterns.ts';

/** Shapes of the Admin API. Times are RFC 3339 in UTC, durations are milliseconds, absent is null (never missing). */

export { NAME_PATTERN, SCOPE_PATTERN };

const time = z.iso.datetime();
const name = z.string().regex(NAME_PATTERN);
const labels = z.record(z.string().max(63), z.string().max(255));
const count = z.number().int().min(0);

export const Role = z.enum(['viewer', 'operator', 'key-rotator', 'admin']);
export type Role = z.infer<typeof Role>;

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    /** Stable; part of the API. */
    code: z.string(),
    detail: z.string(),
    hint: z.string().nullable().optional(),
    requestId: z.string(),
    retryable: z.boolean(),
    errors: z
      .array(
        z.object({
          field: z.string().optional(),
          file: z.string().optional(),
          line: z.number().int().optional(),
          column: z.number().int().optional(),
          /** Of a configuration: `error` or `warning`, and which rule. */
          severity: z.enum(['error', 'warning']).optional(),
          code: z.string().optional(),
          message: z.string(),
          hint: z.string().nullable().optional(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem document' });
export type Problem = z.infer<typeof Problem>;

export const Convergence = z
  .object({
    revision: count,
    /** Nodes with a live connection to any replica. */
    nodes: count,
    reached: count,
    converged: z.boolean(),
    pending: z.array(z.string()),
    elapsedMs: count,
  })
  .meta({ id: 'Convergence', description: 'Which live nodes decide requests by this revision' });
export type Convergence = z.infer<typeof Convergence>;

/**
 * Every write answers with the revision at which it holds: the one it made, or the head if nodes had nothing to learn.
 * `convergence` is null unless `?wait=converged` was asked.
 */
export const Written = z.object({ revision: count, convergence: Convergence.nullable() });
export type Written = z.infer<typeof Written>;

export const QuotaSpec = z
  .object({ limit: z.number().int().min(1), window: z.enum(['hour', 'day', 'month']), zone: z.string() })
  .meta({ id: 'Quota' });
export const RotationPolicy = z
  .object({ everyMs: z.number().int().min(60_000), graceMs: count, deliver: z.string().nullable() })
  .meta({ id: 'RotationPolicy', description: 'deliver: vault:path#field; without it the key is only marked due' });

export const KeyVersion = z
  .object({
    kid: z.string(),
    number: count,
    state: z.enum(['active', 'retiring', 'retired', 'revoked', 'expired', 'exhausted', 'suspended']),
    lastFour: z.string(),
    createdAt: time,
    notAfter: time.nullable(),
    endedAt: time.nullable(),
    reason: z.string().nullable(),
    lastUsedAt: time.nullable(),
    lastAddress: z.string().nullable(),
    lastUserAgent: z.string().nullable(),
    budget: z.object({ limit: count, allotted: count }).nullable(),
  })
  .meta({ id: 'KeyVersion' });
export type KeyVersion = z.infer<typeof KeyVersion>;

export const Key = z
  .object({
    id: z.string(),
    name,
    realm: z.string(),
    /** Masked, e.g. `fgk_live_7Kq2mXcT9aLb_…x7Qk`. */
    key: z.string(),
    state: z.enum(['active', 'revoked', 'expired', 'exhausted', 'suspended']),
    owner: z.string().nullable(),
    labels,
    scopes: z.array(z.string()),
    routes: z.array(z.string()).nullable(),
    cidrs: z.array(z.string()).nullable(),
    tier: z.string().nullable(),
    quota: QuotaSpec.nullable(),
    requestBudget: count.nullable(),
    rotation: RotationPolicy.nullable(),
    rotationDueAt: time.nullable(),
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
    createdAt: time,
    updatedAt: time,
    versions: z.array(KeyVersion),
  })
  .meta({ id: 'Key', description: 'A credential: one lineage with at most two live versions' });
export type Key = z.infer<typeof Key>;

/** How a key signs requests on routes with `signature: required` (RFC 9421). */
export const KeySigning = z
  .discriminatedUnion('algorithm', [
    /** `secret` of the answer is the signing secret, in place of a key. */
    z.object({ algorithm: z.literal('hmac-sha256') }).strict(),
    /** 32 bytes, base64url: `x` of the JWK. */
    z.object({ algorithm: z.literal('ed25519'), publicKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }).strict(),
  ])
  .meta({ id: 'KeySigning' });
export type KeySigning = z.infer<typeof KeySigning>;

export const GenerateKey = z
  .object({
    name,
    scopes: z.array(z.string().regex(SCOPE_PATTERN)).max(100).default([]),
    owner: z.string().max(200).nullable().default(null),
    labels: labels.default({}),
    routes: z.array(z.string()).max(1000).nullable().default(null),
    cidrs: z.array(z.string()).max(1000).nullable().default(null),
    quota: QuotaSpec.nullable().default(null),
    /** undefined: the policy's `max_requests`. */
    requestBudget: z.number().int().min(1).nullable().optional(),
    /** undefined: the policy's `max_age`. null (never) only where the policy has no `max_age`. */
    expiresInMs: z.number().int().min(1000).optional(),
    expiresAt: time.optional(),
    rotation: RotationPolicy.nullable().default(null),
    signing: KeySigning.nullable().default(null),
  })
  .strict()
  .meta({ id: 'GenerateKey' });
export type GenerateKey = z.input<typeof GenerateKey>;

export const UpdateKey = z
  .object({
    scopes: z.array(z.string().regex(SCOPE_PATTERN)).max(100).optional(),
    owner: z.string().max(200).nullable().optional(),
    labels: labels.optional(),
    routes: z.array(z.string()).max(1000).nullable().optional(),
    cidrs: z.array(z.string()).max(1000).nullable().optional(),
    quota: QuotaSpec.nullable().optional(),
    requestBudget: z.number().int().min(1).nullable().optional(),
    rotation: RotationPolicy.nullable().optional(),
    suspended: z.boolean().optional(),
  })
  .strict()
  .meta({ id: 'UpdateKey' });
export type UpdateKey = z.input<typeof UpdateKey>;

export const Rotation = z
  .object({
    id: z.string(),
    keyId: z.string(),
    keyName: z.string(),
    fromKid: z.string(),
    toKid: z.string(),
    fromVersion: count,
    toVersion: count,
    state: z.enum(['retiring', 'finished', 'aborted']),
    graceUntil: time,
    createdAt: time,
    endedAt: time.nullable(),
    actor: z.string(),
    /** Who still uses the old version: null when it was never used since the rotation. */
    oldLastUsedAt: time.nullable(),
    oldLastAddress: z.string().nullable(),
    oldLastUserAgent: z.string().nullable(),
  })
  .meta({ id: 'Rotation' });
export type Rotation = z.infer<typeof Rotation>;

export const WrittenKey = Written.extend({ key: Key }).meta({ id: 'WrittenKey' });
export type WrittenKey = z.infer<typeof WrittenKey>;
export const WrittenRotation = Written.extend({ rotation: Rotation }).meta({ id: 'WrittenRotation' });
export type WrittenRotation = z.infer<typeof WrittenRotation>;

/** The only answers that hold a secret, given once. A replayed request has `secret` null and `replayed` true. */
export const IssuedKey = Written.extend({ key: Key, secret: z.string().nullable(), replayed: z.boolean() }).meta({
  id: 'IssuedKey',
});
export type IssuedKey = z.infer<typeof IssuedKey>;
export const RotatedKey = Written.extend({
  key: Key,
  rotation: Rotation,
  secret: z.string().nullable(),
  replayed: z.boolean(),
  /** Set when the policy delivered the secret (`vault:path#field`); then `secret` is null. */
  delivered: z.string().nullable(),
}).meta({ id: 'RotatedKey' });
export type RotatedKey = z.infer<typeof RotatedKey>;

export const RotateKey = z
  .object({
    graceMs: z
      .number()
      .int()
      .min(0)
      .max(30 * 86_400_000)
      .default(86_400_000),
    expiresInMs: z.number().int().min(1000).optional(),
    /** Replace the version of an unfinished rotation whose secret was lost: the old version stays valid. */
    reissue: z.boolean().default(false),
    /** `vault:path#field`: put the new secret into the secret store instead of the answer. */
    deliver: z.string().nullable().default(null),
  })
  .strict()
  .meta({ id: 'RotateKey' });
export type RotateKey = z.input<typeof RotateKey>;

export const KeyUsage = z
  .object({
    keyId: z.string(),
    keyName: z.string(),
    quota: z
      .object({ limit: count, window: z.string(), used: count, allotted: count, remaining: count, resetsAt: time })
      .nullable(),
    days: z.array(z.object({ day: z.string(), allowed: count, refused: count })),
    versions: z.array(
      z.object({
        kid: z.string(),
        number: count,
        allowed: count,
        refused: count,
        lastUsedAt: time.nullable(),
        budget: z.object({ limit: count, allotted: count }).nullable(),
      }),
    ),
  })
  .meta({ id: 'KeyUsage' });
export type KeyUsage = z.infer<typeof KeyUsage>;

export const Node = z
  .object({
    name: z.string(),
    realm: z.string(),
    state: z.enum(['converged', 'behind', 'offline', 'quarantine']),
    version: z.string(),
    applied: count,
    durable: count,
    lag: count,
    quarantined: z.array(z.object({ kind: z.string(), id: z.string(), why: z.string() })),
    firstSeenAt: time,
    lastSeenAt: time,
  })
  .meta({ id: 'Node' });
export type Node = z.infer<typeof Node>;

export const RouteView = z
  .object({
    name: z.string(),
    prefix: z.string(),
    host: z.string().nullable(),
    methods: z.array(z.string()).nullable(),
    upstream: z.string().nullable(),
    /** How a caller proves who he is, in words: `none`, `api_key`, `jwt`, `any_of(api_key, jwt)`. */
    authentication: z.string(),
    /** What the route answers instead of forwarding, if its configuration cannot be enforced. */
    refuses: z.string().nullable(),
    /** The normalised route, as compiled. */
    spec: z.record(z.string(), z.unknown()),
    labels,
    owner: z.string().nullable(),
    revision: count,
  })
  .meta({ id: 'Route' });
export type RouteView = z.infer<typeof RouteView>;

export const RouteTest = z
  .object({
    method: z.string(),
    url: z.string(),
    canonicalPath: z.string().nullable(),
    route: z.string().nullable(),
    refusal: z.object({ code: z.string(), status: z.number().int(), detail: z.string() }).nullable(),
    steps: z.array(z.object({ stage: z.string(), verdict: z.enum(['pass', 'needs', 'refuse', 'skip']), detail: z.string() })),
    /** Routes that also match by prefix or host, and why they lost. */
    others: z.array(z.object({ route: z.string(), why: z.string() })),
    upstream: z.string().nullable(),
  })
  .meta({ id: 'RouteTest' });
export type RouteTest = z.infer<typeof RouteTest>;

export const ConfigFiles = z
  .object({
    files: z
      .array(z.object({ name: z.string().max(4096), text: z.string().max(4_000_000) }))
      .min(1)
      .max(500),
  })
  .strict()
  .meta({ id: 'ConfigFiles' });
export const ConfigChange = z
  .object({
    action: z.enum(['create', 'update', 'unchanged', 'delete']),
    kind: z.string(),
    name: z.string(),
    changes: z.array(z.object({ path: z.string(), before: z.unknown(), after: z.unknown() })),
  })
  .meta({ id: 'ConfigChange' });
export const Diagnostic = z
  .object({
    severity: z.enum(['error', 'warning']),
    code: z.string(),
    file: z.string(),
    line: z.number().int(),
    column: z.number().int(),
    message: z.string(),
    /** What to write instead. */
    remedy: z.string().nullable(),
  })
  .meta({ id: 'Diagnostic' });
export type Diagnostic = z.infer<typeof Diagnostic>;
export const ConfigResult = Written.extend({
  /** null: nothing had to change, no revision was made. */
  revision: count.nullable(),
  changes: z.array(ConfigChange),
  warnings: z.array(Diagnostic),
  dryRun: z.boolean(),
}).meta({ id: 'ConfigResult' });
export type ConfigResult = z.infer<typeof ConfigResult>;

export const SecretEntry = z
  .object({ path: z.string(), field: z.string(), version: count, updatedAt: time, updatedBy: z.string() })
  .meta({ id: 'SecretEntry', description: 'Metadata only: no API reads a secret back' });
const secretsSpread = z.object({ nodes: count, reached: count, pending: z.array(z.string()) });
export const SecretsStatus = z
  .object({
    /** Where `vault:` references lead. */
    store: z.enum(['vault', 'local']),
    ok: z.boolean(),
    why: z.string().nullable(),
    remedy: z.string().nullable(),
    /** null: there is no ring yet, or it cannot be read. */
    pepper: z
      .object({
        path: z.string(),
        /** New keys are made with it. */
        current: count,
        /** Waits for nodes, then becomes the current one. */
        pending: count.nullable(),
        /** `keys`: those made with it that nodes know. A version without keys is destroyed after a while. */
        versions: z.array(z.object({ version: count, keys: count })),
        /** Live nodes that verify with the whole ring. */
        spread: secretsSpread,
      })
      .nullable(),
  })
  .meta({ id: 'SecretsStatus' });
export type SecretsStatus = z.infer<typeof SecretsStatus>;
export const PepperRotation = z
  .object({
    path: z.string(),
    from: count,
    to: count,
    /** waiting: not all live nodes hold it yet; the control plane goes on by itself when they do. */
    state: z.enum(['done', 'waiting']),
    spread: secretsSpread,
  })
  .meta({ id: 'PepperRotation' });
export type PepperRotation = z.infer<typeof PepperRotation>;
export const TokenView = z
  .object({
    kid: z.string(),
    kind: z.enum(['admin', 'node']),
    name: z.string(),
    realm: z.string(),
    role: z.string(),
    createdAt: time,
    createdBy: z.string(),
    expiresAt: time.nullable(),
    revokedAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .meta({ id: 'Token' });
/** `token` is given once: null when the request is a replay. */
export const IssuedToken = z
  .object({ token: z.string().nullable(), view: TokenView, replayed: z.boolean() })
  .meta({ id: 'IssuedToken' });

export const OAuth2Client = z
  .object({
    clientId: z.string(),
    redirectUris: z.array(z.string()),
    scopes: z.array(z.string()),
    clientSecretRef: z.string().nullable(),
    issuer: z.string().nullable(),
    name: z.string().nullable(),
    updatedAt: time,
    revision: count,
  })
  .meta({ id: 'OAuth2Client' });
export const ConfigureOAuth2Client = z
  .object({
    redirectUris: z.array(z.string()).max(50).optional(),
    scopes: z.array(z.string().regex(SCOPE_PATTERN)).max(100).optional(),
    clientSecretRef: z.string().nullable().optional(),
    issuer: z.string().nullable().optional(),
    name: z.string().max(200).nullable().optional(),
  })
  .strict()
  .meta({ id: 'ConfigureOAuth2Client' });
export const OAuth2ClientResult = Written.extend({
  revision: count.nullable(),
  outcome: z.enum(['created', 'updated', 'unchanged']),
  client: OAuth2Client,
  changes: z.array(z.object({ path: z.string(), before: z.unknown(), after: z.unknown() })),
  warnings: z.array(z.string()),
}).meta({ id: 'OAuth2ClientResult' });

export const VerifyRequest = z
  .object({
    endpoint: z.string().max(4096),
    mode: z.enum(['report', 'standard', 'strict']),
    method: z.string().default('GET'),
    host: z.string().nullable().default(null),
  })
  .strict()
  .meta({ id: 'VerifyRequest' });
export const VerifyReport = z
  .object({
    endpoint: z.string(),
    mode: z.string(),
    result: z.enum(['pass', 'fail']),
    revision: count,
    checks: z.array(
      z.object({
        id: z.string(),
        title: z.string(),
        status: z.enum(['pass', 'warn', 'fail', 'info', 'not_run']),
        node: z.string().nullable(),
        detail: z.string(),
        remedy: z.string().nullable(),
      }),
    ),
    summary: z.object({ pass: count, warn: count, fail: count, notRun: count }),
  })
  .meta({ id: 'VerifyReport' });
export type VerifyReport = z.infer<typeof VerifyReport>;

export const AuditEvent = z
  .object({
    seq: count,
    at: time,
    actor: z.string(),
    role: z.string(),
    action: z.string(),
    target: z.string(),
    outcome: z.string(),
    address: z.string().nullable(),
    requestId: z.string(),
    revision: count.nullable(),
    before: z.unknown().nullable(),
    after: z.unknown().nullable(),
  })
  .meta({ id: 'AuditEvent' });
export const RevisionView = z
  .object({
    revision: count,
    committedAt: time,
    actor: z.string(),
    urgent: z.boolean(),
    summary: z.array(z.object({ op: z.string(), kind: z.string(), id: z.string() })),
  })
  .meta({ id: 'Revision' });
export const Whoami = z
  .object({
    actor: z.string(),
    kid: z.string(),
    role: Role,
    realm: z.string(),
    expiresAt: time.nullable(),
    serverVersion: z.string(),
    epoch: z.string(),
    revision: count,
  })
  .meta({ id: 'Whoami' });

export const page = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), nextCursor: z.string().nullable() });
export type QuotaSpec = z.infer<typeof QuotaSpec>;
export type RotationPolicy = z.infer<typeof RotationPolicy>;
export type ConfigFiles = z.infer<typeof ConfigFiles>;
export type ConfigChange = z.infer<typeof ConfigChange>;
export type SecretEntry = z.infer<typeof SecretEntry>;
export type TokenView = z.infer<typeof TokenView>;
export type IssuedToken = z.infer<typeof IssuedToken>;
export type OAuth2Client = z.infer<typeof OAuth2Client>;
export type ConfigureOAuth2Client = z.infer<typeof ConfigureOAuth2Client>;
export type OAuth2ClientResult = z.infer<typeof OAuth2ClientResult>;
export type VerifyRequest = z.infer<typeof VerifyRequest>;
export type AuditEvent = z.infer<typeof AuditEvent>;
export type RevisionView = z.infer<typeof RevisionView>;
export type Whoami = z.infer<typeof Whoami>;
export interface Page<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}
