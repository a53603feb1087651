import { z } from 'zod';
import { endpoints, type Method, type OperationId } from './endpoints.ts';
import * as issuer from './issuer.ts';
import { EvictJwks, JwksOnNodes, RefreshJwks } from './jwks.ts';
import type { ProblemCode } from './problems.ts';
import * as r from './resources.ts';

/** One REST operation: the router, the OpenAPI document and the client are all made from this table. */
export interface Operation<
  Q extends z.ZodObject | null = z.ZodObject | null,
  B extends z.ZodType | null = z.ZodType | null,
  R extends z.ZodType = z.ZodType,
> {
  readonly id: OperationId;
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  /** Roles that may call it. */
  readonly roles: readonly r.Role[];
  readonly query: Q;
  readonly body: B;
  readonly response: R;
  readonly status: 200 | 201;
  /** Problem codes beside the ones every operation may answer. */
  readonly problems: readonly ProblemCode[];
}

const all: readonly r.Role[] = ['viewer', 'operator', 'key-rotator', 'admin'];
const auditors: readonly r.Role[] = ['viewer', 'operator', 'admin'];
const operators: readonly r.Role[] = ['operator', 'admin'];
const rotators: readonly r.Role[] = ['key-rotator', 'operator', 'admin'];
const admins: readonly r.Role[] = ['admin'];

const wait = {
  wait: z
    .literal('converged')
    .optional()
    .meta({ description: 'Answer only when every live node decides by the revision, or the timeout ends' }),
  timeout: z
    .string()
    .regex(/^\d{1,6}(ms|s|m)$/)
    .optional()
    .meta({ description: 'How long to wait, at most 5m; 30s unless set', example: '30s' }),
};
const flag = z.enum(['true', 'false']).default('false');
const waitQuery = z.object(wait).strict();
/** `dryRun`: everything is checked and computed, nothing is kept, no secret is made. */
const writeQuery = z.object({ ...wait, dryRun: flag }).strict();
/** For writes of which nodes learn nothing. */
const quietQuery = z.object({ dryRun: flag }).strict();
const paging = {
  cursor: z.string().max(500).optional().meta({ description: '`nextCursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(500).default(50),
};
const expiresInMs = z
  .number()
  .int()
  .min(1000)
  .max(100 * 365 * 86_400_000);
const newToken = { name: z.string().regex(r.NAME_PATTERN), expiresInMs: expiresInMs.nullable().default(null) };

type Given<Q, B, R> = Pick<Operation, 'summary' | 'roles'> & {
  readonly query?: Q;
  readonly body?: B;
  readonly response: R;
  readonly status?: 200 | 201;
  readonly problems?: readonly ProblemCode[];
};

function op<R extends z.ZodType, Q extends z.ZodObject | null = null, B extends z.ZodType | null = null>(
  id: OperationId,
  { query, body, status, problems, ...rest }: Given<Q, B, R>,
): Operation<Q, B, R> {
  // An absent query or body means null, which is what Q and B default to.
  return {
    id,
    ...endpoints[id],
    ...rest,
    query: (query ?? null) as Q,
    body: (body ?? null) as B,
    status: status ?? 200,
    problems: problems ?? [],
  };
}

export const operations = {
  whoami: op('whoami', { summary: 'Who the token is, and what it may do', roles: all, response: r.Whoami }),

  keysGenerate: op('keysGenerate', {
    summary: 'Make a key; the answer holds its secret, once',
    roles: operators,
    query: writeQuery,
    body: r.GenerateKey,
    response: r.IssuedKey,
    status: 201,
    problems: ['key_name_taken', 'expiry_exceeds_max_age', 'secret_ref_refused', 'pepper_missing'],
  }),
  keysList: op('keysList', {
    summary: 'Keys, newest first',
    roles: all,
    query: z
      .object({
        ...paging,
        search: z.string().max(200).optional().meta({ description: 'Part of the name, id, kid, last four characters or owner' }),
        scope: z.string().max(128).optional(),
        state: z.enum(['active', 'revoked', 'expired', 'exhausted', 'suspended']).optional(),
        label: z.string().max(320).optional().meta({ description: '`name=value` or `name`', example: 'team=billing' }),
        expiringWithinMs: z.coerce.number().int().min(0).max(1e13).optional(),
        unusedForMs: z.coerce.number().int().min(0).max(1e13).optional(),
        due: z
          .enum(['true', 'false'])
          .optional()
          .meta({ description: 'Only keys whose rotation policy says that they are due, or that are not' }),
      })
      .strict(),
    response: r.page(r.Key),
  }),
  keysGet: op('keysGet', { summary: 'A key by id, name or kid', roles: all, response: r.Key, problems: ['key_not_found'] }),
  keysUpdate: op('keysUpdate', {
    summary: 'Change what a key may do',
    roles: operators,
    query: writeQuery,
    body: r.UpdateKey,
    response: r.WrittenKey,
    problems: ['key_not_found', 'key_not_live', 'secret_ref_refused'],
  }),
  keysRenew: op('keysRenew', {
    summary: 'Give the current version a new end date and a new budget',
    roles: operators,
    query: writeQuery,
    body: z.object({ expiresInMs: expiresInMs.optional() }).strict(),
    response: r.WrittenKey,
    problems: ['key_not_found', 'key_not_live', 'expiry_exceeds_max_age'],
  }),
  keysRevoke: op('keysRevoke', {
    summary: 'End all versions of a key, or one (kid), at once',
    roles: operators,
    query: writeQuery,
    body: z
      .object({ reason: z.string().max(500).nullable().default(null), kid: z.string().max(12).nullable().default(null) })
      .strict(),
    response: r.WrittenKey,
    problems: ['key_not_found'],
  }),
  keysRotate: op('keysRotate', {
    summary: 'Make a new version; the old one verifies until the grace ends',
    roles: rotators,
    query: writeQuery,
    body: r.RotateKey,
    response: r.RotatedKey,
    status: 201,
    problems: [
      'key_not_found',
      'key_not_live',
      'rotation_in_progress',
      'rotation_not_found',
      'expiry_exceeds_max_age',
      'secret_ref_refused',
      'secret_store_unavailable',
      'pepper_missing',
    ],
  }),
  keysUsage: op('keysUsage', {
    summary: 'What a key has used',
    roles: all,
    query: z.object({ days: z.coerce.number().int().min(1).max(90).default(7) }).strict(),
    response: r.KeyUsage,
    problems: ['key_not_found'],
  }),

  rotationsList: op('rotationsList', {
    summary: 'Rotations, newest first',
    roles: all,
    query: z
      .object({ ...paging, key: z.string().max(200).optional(), state: z.enum(['retiring', 'finished', 'aborted']).optional() })
      .strict(),
    response: r.page(r.Rotation),
    problems: ['key_not_found'],
  }),
  rotationsGet: op('rotationsGet', { summary: 'A rotation', roles: all, response: r.Rotation, problems: ['rotation_not_found'] }),
  rotationsFinish: op('rotationsFinish', {
    summary: 'End the old version now, if nobody used it for a while',
    roles: rotators,
    query: writeQuery,
    body: z
      .object({
        whenIdleMs: z
          .number()
          .int()
          .min(0)
          .max(30 * 86_400_000)
          .nullable()
          .default(null),
        force: z.boolean().default(false),
      })
      .strict(),
    response: r.WrittenRotation,
    problems: ['rotation_not_found', 'rotation_ended', 'rotation_not_idle'],
  }),
  rotationsAbort: op('rotationsAbort', {
    summary: 'Drop the new version, keep the old one',
    roles: rotators,
    query: writeQuery,
    body: z.object({}).strict(),
    response: r.WrittenRotation,
    problems: ['rotation_not_found', 'rotation_ended'],
  }),

  secretsSet: op('secretsSet', {
    summary: 'Write an entry of the secret store',
    roles: admins,
    query: waitQuery,
    body: z
      .object({ path: z.string().min(1).max(400), field: z.string().min(1).max(100), value: z.string().max(65_536) })
      .strict(),
    response: z.object({ entry: r.SecretEntry }),
    problems: ['secret_ref_refused', 'secret_store_unavailable'],
  }),
  secretsList: op('secretsList', {
    summary: 'Entries of the secret store, without their values',
    roles: operators,
    query: z.object({ ...paging, prefix: z.string().max(400).optional() }).strict(),
    response: r.page(r.SecretEntry),
    problems: ['secret_store_unavailable'],
  }),
  secretsStatus: op('secretsStatus', {
    summary: 'Does the secret store answer, and how far is the pepper ring? Never a value',
    roles: operators,
    response: r.SecretsStatus,
    problems: [],
  }),
  secretsRotatePepper: op('secretsRotatePepper', {
    summary: 'Add a pepper; new keys are made with it once every live node holds it',
    roles: admins,
    query: waitQuery,
    body: z.object({}).strict(),
    response: r.PepperRotation,
    problems: ['secret_store_unavailable'],
  }),

  nodesList: op('nodesList', {
    summary: 'Nodes and how far each has come',
    roles: all,
    response: z.object({ revision: z.number().int(), digest: z.string(), items: z.array(r.Node) }),
  }),
  nodeTokensCreate: op('nodeTokensCreate', {
    summary: 'Make a token with which nodes join; shown once',
    roles: admins,
    query: waitQuery,
    body: z.object(newToken).strict(),
    response: r.IssuedToken,
    status: 201,
  }),
  nodeTokensList: op('nodeTokensList', {
    summary: 'Node tokens',
    roles: operators,
    response: z.object({ items: z.array(r.TokenView) }),
  }),
  nodeTokensRevoke: op('nodeTokensRevoke', {
    summary: 'End a node token; its nodes are cut off',
    roles: admins,
    query: waitQuery,
    response: z.object({ view: r.TokenView }),
    problems: ['token_not_found'],
  }),

  adminTokensCreate: op('adminTokensCreate', {
    summary: 'Make an admin token; shown once',
    roles: admins,
    query: waitQuery,
    body: z.object({ ...newToken, role: r.Role }).strict(),
    response: r.IssuedToken,
    status: 201,
  }),
  adminTokensList: op('adminTokensList', {
    summary: 'Admin tokens',
    roles: admins,
    response: z.object({ items: z.array(r.TokenView) }),
  }),
  adminTokensRevoke: op('adminTokensRevoke', {
    summary: 'End an admin token',
    roles: admins,
    query: waitQuery,
    response: z.object({ view: r.TokenView }),
    problems: ['token_not_found', 'last_admin_token'],
  }),

  configApply: op('configApply', {
    summary: 'Apply configuration files as one revision, or nothing',
    roles: operators,
    query: writeQuery,
    body: r.ConfigFiles,
    response: r.ConfigResult,
    problems: ['config_invalid', 'secret_store_unavailable'],
  }),
  configExport: op('configExport', {
    summary: 'The whole configuration as fluxgate.yaml',
    roles: all,
    response: z.object({ revision: z.number().int(), yaml: z.string() }),
  }),
  routesList: op('routesList', { summary: 'Routes', roles: all, response: z.object({ items: z.array(r.RouteView) }) }),
  routesGet: op('routesGet', { summary: 'A route by name', roles: all, response: r.RouteView, problems: ['route_not_found'] }),
  routesTest: op('routesTest', {
    summary: 'Which route wins for a request, and what it would meet',
    roles: all,
    body: z
      .object({ method: z.string().max(32), url: z.string().max(8192), host: z.string().max(255).nullable().default(null) })
      .strict(),
    response: r.RouteTest,
  }),

  authVerify: op('authVerify', {
    summary: 'Is this endpoint protected as configured, on every node?',
    roles: all,
    body: r.VerifyRequest,
    response: r.VerifyReport,
  }),

  oauth2Configure: op('oauth2Configure', {
    summary: 'Create or change (only the given fields) FluxGate as client of a provider',
    roles: operators,
    query: writeQuery,
    body: r.ConfigureOAuth2Client,
    response: r.OAuth2ClientResult,
    problems: ['redirect_uri_invalid', 'secret_ref_refused'],
  }),
  oauth2List: op('oauth2List', { summary: 'OAuth2 clients', roles: all, response: z.object({ items: z.array(r.OAuth2Client) }) }),
  oauth2Get: op('oauth2Get', {
    summary: 'An OAuth2 client',
    roles: all,
    response: r.OAuth2Client,
    problems: ['client_not_found'],
  }),
  oauth2Delete: op('oauth2Delete', {
    summary: 'Remove an OAuth2 client',
    roles: operators,
    query: writeQuery,
    response: r.Written,
    problems: ['client_not_found'],
  }),

  clientsCreate: op('clientsCreate', {
    summary: 'Make a client of the token endpoint; the answer holds its secret, once',
    roles: operators,
    query: quietQuery,
    body: issuer.CreateIssuerClient,
    response: issuer.IssuedClient,
    status: 201,
    problems: ['client_name_taken', 'client_keys_invalid'],
  }),
  clientsList: op('clientsList', {
    summary: 'Clients of the token endpoint, newest first',
    roles: all,
    query: z.object({ ...paging, search: z.string().max(200).optional() }).strict(),
    response: r.page(issuer.IssuerClient),
  }),
  clientsGet: op('clientsGet', {
    summary: 'A client of the token endpoint, by id or name',
    roles: all,
    response: issuer.IssuerClient,
    problems: ['client_not_found'],
  }),
  clientsUpdate: op('clientsUpdate', {
    summary: 'Change what a client may ask for, or switch it off',
    roles: operators,
    query: quietQuery,
    body: issuer.UpdateIssuerClient,
    response: z.object({ client: issuer.IssuerClient }),
    problems: ['client_not_found', 'client_keys_invalid'],
  }),
  clientsRotateSecret: op('clientsRotateSecret', {
    summary: 'Make a new client secret; the one before works until the grace ends',
    roles: rotators,
    query: quietQuery,
    body: issuer.RotateClientSecret,
    response: issuer.IssuedClient,
    status: 201,
    problems: ['client_not_found', 'client_has_no_secret', 'client_secrets_live'],
  }),
  clientsDelete: op('clientsDelete', {
    summary: 'Remove a client; its secrets end at once, its tokens at introspection',
    roles: operators,
    query: quietQuery,
    response: z.object({ client: issuer.IssuerClient }),
    problems: ['client_not_found'],
  }),
  jwksIssuerStatus: op('jwksIssuerStatus', {
    summary: 'The issuer and its signing keys',
    roles: all,
    response: issuer.IssuerStatus,
    problems: ['signer_unavailable'],
  }),
  jwksRotate: op('jwksRotate', {
    summary: 'Publish a new signing key, or let the published one sign once every verifier knows it',
    roles: operators,
    query: quietQuery,
    body: issuer.RotateIssuerKeys,
    response: issuer.RotatedIssuerKeys,
    problems: ['signer_unavailable'],
  }),

  jwksStatus: op('jwksStatus', {
    summary: 'Key sets of token issuers, as each node holds them',
    roles: all,
    response: JwksOnNodes,
  }),
  jwksRefresh: op('jwksRefresh', {
    summary: 'Let every node fetch key sets now',
    roles: operators,
    body: RefreshJwks,
    response: JwksOnNodes,
    problems: ['no_node'],
  }),
  jwksEvict: op('jwksEvict', {
    summary: 'Take a key, or a whole key set, out of every node at once',
    roles: operators,
    body: EvictJwks,
    response: JwksOnNodes,
    problems: ['no_node'],
  }),

  revisionsList: op('revisionsList', {
    summary: 'The revision log, newest first',
    roles: all,
    query: z.object({ ...paging }).strict(),
    response: r.page(r.RevisionView),
  }),
  revisionsConvergence: op('revisionsConvergence', {
    summary: 'Which nodes have reached a revision',
    roles: all,
    query: waitQuery,
    response: r.Convergence,
    problems: ['revision_not_found'],
  }),
  auditList: op('auditList', {
    summary: 'Who did what, newest first',
    roles: auditors,
    query: z
      .object({
        ...paging,
        actor: z.string().max(200).optional(),
        action: z.string().max(200).optional(),
        target: z.string().max(400).optional(),
      })
      .strict(),
    response: r.page(r.AuditEvent),
  }),
} satisfies { [Id in OperationId]: Operation & { readonly id: OperationId } };

type Table = typeof operations;
/** What a caller may send as query, as JSON-typed values (the client turns them into text). */
export type QueryOf<Id extends OperationId> = Table[Id]['query'] extends z.ZodObject
  ? z.input<Table[Id]['query']>
  : Record<never, never>;
/** What a caller sends as body. */
export type BodyOf<Id extends OperationId> = Table[Id]['body'] extends z.ZodType ? z.input<Table[Id]['body']> : undefined;
/** What the server works with after the defaults were filled in. */
export type ParsedQueryOf<Id extends OperationId> = Table[Id]['query'] extends z.ZodObject
  ? z.output<Table[Id]['query']>
  : Record<never, never>;
export type ParsedBodyOf<Id extends OperationId> = Table[Id]['body'] extends z.ZodType ? z.output<Table[Id]['body']> : undefined;
export type ResponseOf<Id extends OperationId> = z.output<Table[Id]['response']>;
