import { z } from 'zod';
import { NAME_PATTERN, SCOPE_PATTERN } from './patterns.ts';

/** Shapes of the token issuer's part of the Admin API: its clients and its signing keys. */

const time = z.iso.datetime();
const count = z.number().int().min(0);
const scopes = z.array(z.string().regex(SCOPE_PATTERN)).max(100);
/** For whom a token may be: compared exactly by verifiers, so no spaces and nothing invisible. */
const audiences = z.array(z.string().regex(/^[\x21-\x7e]{1,500}$/)).max(50);
const tokenTtlMs = z.number().int().min(1000).max(3_600_000);
const jwksUri = z.string().max(2000);
/** RFC 7517 §5; what is wrong with a key is told by the operation. */
const jwks = z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(20) });

export const ClientAuthMethod = z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt']);
export type ClientAuthMethod = z.infer<typeof ClientAuthMethod>;

export const IssuerClient = z
  .object({
    clientId: z.string(),
    name: z.string(),
    realm: z.string(),
    owner: z.string().nullable(),
    authMethod: ClientAuthMethod,
    /** Public keys of a private_key_jwt client, or where it publishes them. */
    jwks: jwks.nullable(),
    jwksUri: z.string().nullable(),
    scopes: z.array(z.string()),
    /** The first is used when a request names none. */
    audiences: z.array(z.string()),
    tokenTtlMs: count,
    /** May ask about tokens of other clients at the introspection endpoint. */
    mayIntrospect: z.boolean(),
    enabled: z.boolean(),
    /** At most two are live; masked, e.g. `fgc_live_7Kq2mXcT9aLb_…x7Qk`. */
    secrets: z.array(
      z.object({
        kid: z.string(),
        secret: z.string(),
        createdAt: time,
        /** Set once a newer secret has replaced it. */
        notAfter: time.nullable(),
        lastUsedAt: time.nullable(),
      }),
    ),
    createdAt: time,
    createdBy: z.string(),
    updatedAt: time,
    lastUsedAt: time.nullable(),
  })
  .meta({ id: 'IssuerClient', description: 'A client of the token endpoint' });
export type IssuerClient = z.infer<typeof IssuerClient>;

const keys = {
  jwks: jwks.nullable().optional(),
  jwksUri: jwksUri.nullable().optional(),
};
export const CreateIssuerClient = z
  .object({
    name: z.string().regex(NAME_PATTERN),
    owner: z.string().max(200).nullable().default(null),
    authMethod: ClientAuthMethod.default('client_secret_basic'),
    ...keys,
    scopes: scopes.default([]),
    audiences: audiences.default([]),
    tokenTtlMs: tokenTtlMs.default(600_000),
    mayIntrospect: z.boolean().default(false),
  })
  .strict()
  .meta({ id: 'CreateIssuerClient' });
export type CreateIssuerClient = z.input<typeof CreateIssuerClient>;

export const UpdateIssuerClient = z
  .object({
    owner: z.string().max(200).nullable().optional(),
    ...keys,
    scopes: scopes.optional(),
    audiences: audiences.optional(),
    tokenTtlMs: tokenTtlMs.optional(),
    mayIntrospect: z.boolean().optional(),
    enabled: z.boolean().optional(),
  })
  .strict()
  .meta({ id: 'UpdateIssuerClient' });
export type UpdateIssuerClient = z.input<typeof UpdateIssuerClient>;

/** `secret` is given once: null for a client with keys of its own, and when the request is a replay. */
export const IssuedClient = z
  .object({ client: IssuerClient, secret: z.string().nullable(), replayed: z.boolean() })
  .meta({ id: 'IssuedClient' });
export type IssuedClient = z.infer<typeof IssuedClient>;

export const RotateClientSecret = z
  .object({
    /** How long the secret before stays valid; 0 ends all others at once. */
    graceMs: z
      .number()
      .int()
      .min(0)
      .max(30 * 86_400_000)
      .default(86_400_000),
  })
  .strict()
  .meta({ id: 'RotateClientSecret' });

export const IssuerKey = z
  .object({
    kid: z.string(),
    state: z.enum(['current', 'next', 'previous']),
    algorithm: z.string(),
    /** Who keeps the private half: `local` or `vault`. */
    signer: z.string(),
    publishedAt: time,
    /** Of `next`: the earliest moment at which it may sign. */
    signsFrom: time,
    stoppedAt: time.nullable(),
    /** Of `previous`: when its last token has ended and it leaves the key set. */
    publishedUntil: time.nullable(),
  })
  .meta({ id: 'IssuerKey' });
export const IssuerStatus = z
  .object({
    /** null: FLUXGATE_ISSUER has to be set before tokens can be made. */
    issuer: z.string().nullable(),
    tokenEndpoint: z.string().nullable(),
    jwksUri: z.string().nullable(),
    algorithm: z.string(),
    rotateEveryMs: count.nullable(),
    keys: z.array(IssuerKey),
    /** What happens next by itself. */
    next: z.object({ step: z.enum(['stage', 'promote', 'retire']), at: time }).nullable(),
  })
  .meta({ id: 'IssuerStatus', description: 'The issuer and its signing keys, public facts only' });
export type IssuerStatus = z.infer<typeof IssuerStatus>;

export const RotateIssuerKeys = z
  .object({
    /** Sign with a new key at once, though verifiers may not know it yet. */
    now: z.boolean().default(false),
    /** The signing key leaked: a new one signs at once, every token of the old ones ends. */
    compromised: z.boolean().default(false),
  })
  .strict()
  .meta({ id: 'RotateIssuerKeys' });
export const RotatedIssuerKeys = z
  .object({
    /** staged: published, signs later. waiting: a rotation is under way and not due. promoted: another key signs now. */
    outcome: z.enum(['staged', 'waiting', 'promoted']),
    status: IssuerStatus,
    warnings: z.array(z.string()),
  })
  .meta({ id: 'RotatedIssuerKeys' });
export type RotatedIssuerKeys = z.infer<typeof RotatedIssuerKeys>;
