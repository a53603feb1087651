import { z } from 'zod';
import * as r from './resources.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One REST operation: the router, the OpenAPI document and the client are all made from this table. */
export interface Operation {
  readonly id: string;
  readonly method: Method;
  /** Express-free path template: `/v1/keys/{key}`. */
  readonly path: string;
  readonly summary: string;
  /** Roles that may call it. */
  readonly roles: readonly r.Role[];
  readonly query: z.ZodObject | null;
  readonly body: z.ZodType | null;
  readonly response: z.ZodType;
  readonly status: 200 | 201;
  /** Stable problem codes beside the ones every operation may answer. */
  readonly problems: readonly string[];
}

const all: readonly r.Role[] = ['viewer', 'operator', 'key-rotator', 'admin'];
const operators: readonly r.Role[] = ['operator', 'admin'];
const rotators: readonly r.Role[] = ['key-rotator', 'operator', 'admin'];
const admins: readonly r.Role[] = ['admin'];

const wait = { wait: z.literal('converged').optional(), timeout: z.string().regex(/^\d+(ms|s|m)$/).optional() };
const waitQuery = z.object(wait).strict();
const paging = { cursor: z.string().max(500).optional(), limit: z.coerce.number().int().min(1).max(500).default(50) };

const op = (o: Partial<Operation> & Pick<Operation, 'id' | 'method' | 'path' | 'summary' | 'roles' | 'response'>): Operation => ({
  query: o.method === 'GET' ? null : waitQuery,
  body: null,
  status: 200,
  problems: [],
  ...o,
});

export const operations = {
  whoami: op({ id: 'whoami', method: 'GET', path: '/v1/whoami', summary: 'Who the token is, and what it may do', roles: all, response: r.Whoami }),

  keysGenerate: op({ id: 'keysGenerate', method: 'POST', path: '/v1/keys', summary: 'Make a key; the answer holds its secret, once', roles: operators, body: r.GenerateKey, response: r.IssuedKey, status: 201, problems: ['key_name_taken', 'expiry_exceeds_max_age', 'pepper_missing'] }),
  keysList: op({ id: 'keysList', method: 'GET', path: '/v1/keys', summary: 'Keys, newest first', roles: all, query: z.object({ ...paging, search: z.string().max(200).optional(), scope: z.string().optional(), state: z.string().optional(), expiringWithinMs: z.coerce.number().int().optional(), unusedForMs: z.coerce.number().int().optional(), due: z.enum(['true', 'false']).optional() }).strict(), response: r.page(r.Key) }),
  keysGet: op({ id: 'keysGet', method: 'GET', path: '/v1/keys/{key}', summary: 'A key by id, name or kid', roles: all, response: r.Key, problems: ['key_not_found'] }),
  keysUpdate: op({ id: 'keysUpdate', method: 'PATCH', path: '/v1/keys/{key}', summary: 'Change what a key may do', roles: operators, body: r.UpdateKey, response: r.Written.extend({ key: r.Key }), problems: ['key_not_found'] }),
  keysRenew: op({ id: 'keysRenew', method: 'POST', path: '/v1/keys/{key}/renew', summary: 'Give the current version a new end date and a new budget', roles: operators, body: z.object({ expiresInMs: z.number().int().min(1000).optional() }).strict(), response: r.Written.extend({ key: r.Key }), problems: ['key_not_found', 'key_not_live', 'expiry_exceeds_max_age'] }),
  keysRevoke: op({ id: 'keysRevoke', method: 'POST', path: '/v1/keys/{key}/revoke', summary: 'End all versions of a key, or one (kid), at once', roles: operators, body: z.object({ reason: z.string().max(500).nullable().default(null), kid: z.string().nullable().default(null) }).strict(), response: r.Written.extend({ key: r.Key }), problems: ['key_not_found'] }),
  keysRotate: op({ id: 'keysRotate', method: 'POST', path: '/v1/keys/{key}/rotate', summary: 'Make a new version; the old one verifies until the grace ends', roles: rotators, body: r.RotateKey, response: r.RotatedKey, status: 201, problems: ['key_not_found', 'key_not_live', 'rotation_in_progress', 'secret_ref_refused'] }),
  keysUsage: op({ id: 'keysUsage', method: 'GET', path: '/v1/keys/{key}/usage', summary: 'What a key has used', roles: all, query: z.object({ days: z.coerce.number().int().min(1).max(90).default(7) }).strict(), response: r.KeyUsage, problems: ['key_not_found'] }),

  rotationsList: op({ id: 'rotationsList', method: 'GET', path: '/v1/rotations', summary: 'Rotations, newest first', roles: all, query: z.object({ ...paging, key: z.string().optional(), state: z.string().optional() }).strict(), response: r.page(r.Rotation) }),
  rotationsGet: op({ id: 'rotationsGet', method: 'GET', path: '/v1/rotations/{rotation}', summary: 'A rotation', roles: all, response: r.Rotation, problems: ['rotation_not_found'] }),
  rotationsFinish: op({ id: 'rotationsFinish', method: 'POST', path: '/v1/rotations/{rotation}/finish', summary: 'End the old version now, if nobody used it for a while', roles: rotators, body: z.object({ whenIdleMs: z.number().int().min(0).nullable().default(null), force: z.boolean().default(false) }).strict(), response: r.Written.extend({ rotation: r.Rotation }), problems: ['rotation_not_found', 'rotation_ended', 'rotation_not_idle'] }),
  rotationsAbort: op({ id: 'rotationsAbort', method: 'POST', path: '/v1/rotations/{rotation}/abort', summary: 'Drop the new version, keep the old one', roles: rotators, body: z.object({}).strict(), response: r.Written.extend({ rotation: r.Rotation }), problems: ['rotation_not_found', 'rotation_ended'] }),

  secretsSet: op({ id: 'secretsSet', method: 'PUT', path: '/v1/secrets', summary: 'Write an entry of the secret store', roles: admins, body: z.object({ path: z.string().max(400), field: z.string().max(100), value: z.string().max(65_536) }).strict(), response: z.object({ entry: r.SecretEntry }), problems: ['secret_ref_refused'] }),
  secretsList: op({ id: 'secretsList', method: 'GET', path: '/v1/secrets', summary: 'Entries of the secret store, without their values', roles: operators, query: z.object({ ...paging, prefix: z.string().optional() }).strict(), response: r.page(r.SecretEntry) }),

  nodesList: op({ id: 'nodesList', method: 'GET', path: '/v1/nodes', summary: 'Nodes and how far each has come', roles: all, response: z.object({ revision: z.number().int(), digest: z.string(), items: z.array(r.Node) }) }),
  nodeTokensCreate: op({ id: 'nodeTokensCreate', method: 'POST', path: '/v1/nodes/tokens', summary: 'Make a token with which nodes join; shown once', roles: admins, body: z.object({ name: z.string().regex(r.NAME_PATTERN), expiresInMs: z.number().int().min(1000).nullable().default(null) }).strict(), response: r.IssuedToken, status: 201 }),
  nodeTokensList: op({ id: 'nodeTokensList', method: 'GET', path: '/v1/nodes/tokens', summary: 'Node tokens', roles: operators, response: z.object({ items: z.array(r.TokenView) }) }),
  nodeTokensRevoke: op({ id: 'nodeTokensRevoke', method: 'DELETE', path: '/v1/nodes/tokens/{kid}', summary: 'End a node token; its nodes are cut off', roles: admins, response: z.object({ view: r.TokenView }), problems: ['token_not_found'] }),

  adminTokensCreate: op({ id: 'adminTokensCreate', method: 'POST', path: '/v1/tokens', summary: 'Make an admin token; shown once', roles: admins, body: z.object({ name: z.string().regex(r.NAME_PATTERN), role: r.Role, expiresInMs: z.number().int().min(1000).nullable().default(null) }).strict(), response: r.IssuedToken, status: 201 }),
  adminTokensList: op({ id: 'adminTokensList', method: 'GET', path: '/v1/tokens', summary: 'Admin tokens', roles: admins, response: z.object({ items: z.array(r.TokenView) }) }),
  adminTokensRevoke: op({ id: 'adminTokensRevoke', method: 'DELETE', path: '/v1/tokens/{kid}', summary: 'End an admin token', roles: admins, response: z.object({ view: r.TokenView }), problems: ['token_not_found'] }),

  configApply: op({ id: 'configApply', method: 'POST', path: '/v1/config/apply', summary: 'Apply configuration files as one revision, or nothing', roles: operators, query: z.object({ ...wait, dryRun: z.enum(['true', 'false']).default('false') }).strict(), body: r.ConfigFiles, response: r.ConfigResult, problems: ['config_invalid'] }),
  configExport: op({ id: 'configExport', method: 'GET', path: '/v1/config/export', summary: 'The whole configuration as fluxgate.yaml', roles: all, response: z.object({ revision: z.number().int(), yaml: z.string() }) }),
  routesList: op({ id: 'routesList', method: 'GET', path: '/v1/routes', summary: 'Routes', roles: all, response: z.object({ items: z.array(r.RouteView) }) }),
  routesGet: op({ id: 'routesGet', method: 'GET', path: '/v1/routes/{route}', summary: 'A route by name', roles: all, response: r.RouteView, problems: ['route_not_found'] }),
  routesTest: op({ id: 'routesTest', method: 'POST', path: '/v1/routes/test', summary: 'Which route wins for a request, and what it would meet', roles: all, query: null, body: z.object({ method: z.string().max(32), url: z.string().max(8192), host: z.string().max(255).nullable().default(null) }).strict(), response: r.RouteTest }),

  authVerify: op({ id: 'authVerify', method: 'POST', path: '/v1/auth/verify', summary: 'Is this endpoint protected as configured, on every node?', roles: all, query: null, body: r.VerifyRequest, response: r.VerifyReport }),

  oauth2Configure: op({ id: 'oauth2Configure', method: 'PUT', path: '/v1/oauth2/clients/{clientId}', summary: 'Create or change (only the given fields) FluxGate as client of a provider', roles: operators, body: r.ConfigureOAuth2Client, response: r.OAuth2ClientResult, problems: ['redirect_uri_invalid', 'secret_ref_refused'] }),
  oauth2List: op({ id: 'oauth2List', method: 'GET', path: '/v1/oauth2/clients', summary: 'OAuth2 clients', roles: all, response: z.object({ items: z.array(r.OAuth2Client) }) }),
  oauth2Get: op({ id: 'oauth2Get', method: 'GET', path: '/v1/oauth2/clients/{clientId}', summary: 'An OAuth2 client', roles: all, response: r.OAuth2Client, problems: ['client_not_found'] }),
  oauth2Delete: op({ id: 'oauth2Delete', method: 'DELETE', path: '/v1/oauth2/clients/{clientId}', summary: 'Remove an OAuth2 client', roles: operators, response: r.Written, problems: ['client_not_found'] }),

  revisionsList: op({ id: 'revisionsList', method: 'GET', path: '/v1/revisions', summary: 'The revision log, newest first', roles: all, query: z.object({ ...paging }).strict(), response: r.page(r.RevisionView) }),
  revisionsConvergence: op({ id: 'revisionsConvergence', method: 'GET', path: '/v1/revisions/{revision}/convergence', summary: 'Which nodes have reached a revision', roles: all, query: z.object({ ...wait }).strict(), response: r.Convergence }),
  auditList: op({ id: 'auditList', method: 'GET', path: '/v1/audit', summary: 'Who did what, newest first', roles: ['viewer', 'operator', 'admin'], query: z.object({ ...paging, actor: z.string().optional(), action: z.string().optional(), target: z.string().optional() }).strict(), response: r.page(r.AuditEvent) }),
} satisfies Record<string, Operation>;

export type OperationId = keyof typeof operations;

/** Problem codes that any operation may answer, with their status. */
export const commonProblems = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  idempotency_key_reused: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  internal: 500,
  database_unavailable: 503,
} as const;

/** Status of the codes that belong to single operations. */
export const problemStatus: Readonly<Record<string, number>> = {
  ...commonProblems,
  key_not_found: 404,
  key_name_taken: 409,
  key_not_live: 409,
  expiry_exceeds_max_age: 422,
  pepper_missing: 503,
  rotation_in_progress: 409,
  rotation_not_found: 404,
  rotation_ended: 409,
  rotation_not_idle: 409,
  secret_ref_refused: 422,
  token_not_found: 404,
  config_invalid: 422,
  route_not_found: 404,
  redirect_uri_invalid: 422,
  client_not_found: 404,
};
