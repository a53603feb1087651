/** The closed catalogue of what the Admin API may answer instead of a result. Codes are part of the API and stable. */

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** true: the same request may succeed later, unchanged. */
  readonly retryable: boolean;
}

const kind = (status: number, title: string, retryable = false): ProblemKind => ({ status, title, retryable });

/** What any operation may answer. */
export const commonProblems = {
  invalid_request: kind(400, 'The request does not have the shape this operation needs'),
  unauthenticated: kind(401, 'No valid admin token'),
  forbidden: kind(403, 'The role of this token does not allow the operation'),
  wrong_realm: kind(403, 'The token belongs to another realm'),
  not_found: kind(404, 'There is nothing at this address'),
  method_not_allowed: kind(405, 'The method is not allowed at this address'),
  conflict: kind(409, 'The operation conflicts with another one', true),
  idempotency_key_reused: kind(409, 'The idempotency key was already used for another request'),
  payload_too_large: kind(413, 'The request is too large'),
  unsupported_media_type: kind(415, 'The body must be application/json'),
  rate_limited: kind(429, 'Too many failed attempts from this address', true),
  internal: kind(500, 'The control plane failed'),
  database_unavailable: kind(503, 'The database cannot be reached', true),
  shutting_down: kind(503, 'This control plane is shutting down', true),
} as const satisfies Record<string, ProblemKind>;

/** What single operations answer beside that; the table of operations says which. */
export const operationProblems = {
  key_not_found: kind(404, 'There is no such key'),
  key_name_taken: kind(409, 'A key with this name exists'),
  key_not_live: kind(409, 'The key has no live version'),
  expiry_exceeds_max_age: kind(422, 'The end date lies beyond the configured max_age'),
  pepper_missing: kind(503, 'The pepper ring cannot be read from the secret store', true),
  rotation_in_progress: kind(409, 'Two versions of the key are live'),
  rotation_not_found: kind(404, 'There is no such rotation'),
  rotation_ended: kind(409, 'The rotation has already ended'),
  rotation_not_idle: kind(409, 'The old version is still in use', true),
  secret_ref_refused: kind(422, 'This place in the secret store may not be used'),
  secret_store_unavailable: kind(503, 'The secret store cannot be reached', true),
  token_not_found: kind(404, 'There is no such token'),
  last_admin_token: kind(409, 'This is the last admin token of the realm'),
  config_invalid: kind(422, 'The configuration has mistakes; nothing was applied'),
  route_not_found: kind(404, 'There is no such route'),
  redirect_uri_invalid: kind(422, 'A redirect URI cannot be accepted'),
  client_not_found: kind(404, 'There is no such OAuth2 client'),
  client_name_taken: kind(409, 'A client with this name exists'),
  client_keys_invalid: kind(422, 'The public keys of the client cannot be used'),
  client_has_no_secret: kind(409, 'The client proves itself by a key of its own'),
  client_secrets_live: kind(409, 'Two secrets of the client are live'),
  signer_unavailable: kind(503, 'The keeper of the signing keys cannot be reached', true),
  no_node: kind(503, 'No gateway node is connected', true),
  revision_not_found: kind(404, 'There is no such revision'),
} as const satisfies Record<string, ProblemKind>;

export const problemKinds = { ...commonProblems, ...operationProblems };
export type ProblemCode = keyof typeof problemKinds;

/** Status by code, for clients that map problems to outcomes. */
export const problemStatus: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(problemKinds).map(([code, { status }]) => [code, status]),
);
