/**
 * RFC 6750 §3. Without any token: no error attribute, so that the client learns only what is asked of it. 400 `invalid_request`,
 * 401 `invalid_token`, 403 `insufficient_scope` with the scope that is missing.
 */
export interface BearerError {
  readonly error: 'invalid_request' | 'invalid_token' | 'insufficient_scope';
  readonly description: string | null;
  readonly scope: string | null;
}

export function bearerChallenge(realm: string, error: BearerError | null): string {
  let challenge = `Bearer realm="${realm}"`;
  if (error === null) return challenge;
  challenge += `, error="${error.error}"`;
  if (error.description !== null) challenge += `, error_description="${error.description}"`;
  if (error.scope !== null) challenge += `, scope="${error.scope}"`; // scope tokens hold neither quotes nor backslashes
  return challenge;
}
