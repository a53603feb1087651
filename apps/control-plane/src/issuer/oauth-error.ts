import type { Response } from 'express';

/** RFC 6749 §5.2, RFC 8707 §2; `temporarily_unavailable` and `server_error` as in RFC 6749 §4.1.2.1, for outages and faults. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'temporarily_unavailable'
  | 'server_error';

/** A refusal of the token endpoint and its neighbours: a value. The description is for the developer of the client and holds nothing secret. */
export interface OAuthError {
  readonly oauthError: OAuthErrorCode;
  readonly description: string;
  readonly status: 400 | 401 | 403 | 405 | 413 | 429 | 500 | 503;
  readonly retryAfterMs?: number;
  /** For the log only. */
  readonly because?: string;
}

const STATUS: Readonly<Record<OAuthErrorCode, OAuthError['status']>> = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  invalid_target: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  temporarily_unavailable: 503,
  server_error: 500,
};

export function oauthError(
  code: OAuthErrorCode,
  description: string,
  extra: Partial<Pick<OAuthError, 'status' | 'retryAfterMs' | 'because'>> = {},
): OAuthError {
  return { oauthError: code, description, status: STATUS[code], ...extra };
}

export const isOAuthError = (value: unknown): value is OAuthError =>
  typeof value === 'object' && value !== null && 'oauthError' in value;

/** Every way in which a client fails to prove itself sounds the same. */
export const invalidClient = (because: string): OAuthError =>
  oauthError('invalid_client', 'client authentication failed', { because });

export function sendOAuthError(response: Response, { oauthError: code, description, status, retryAfterMs }: OAuthError): void {
  // RFC 9110 §15.5.2: a 401 names a way in; RFC 6749 §5.2 asks for it where Basic was tried.
  if (status === 401) {
    const scheme =
      code === 'invalid_token' ? 'Bearer realm="fluxgate", error="invalid_token"' : 'Basic realm="fluxgate", charset="UTF-8"';
    response.setHeader('WWW-Authenticate', scheme);
  }
  if (retryAfterMs !== undefined) response.setHeader('Retry-After', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  else if (status === 503) response.setHeader('Retry-After', '2');
  if (status === 413) response.setHeader('Connection', 'close');
  sendOAuth(response, status, { error: code, error_description: description });
}

/** RFC 6749 §5.1: nothing of this is kept anywhere on the way. */
export function sendOAuth(response: Response, status: number, body: object): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Pragma', 'no-cache');
  response.status(status).type('application/json').send(JSON.stringify(body));
}
