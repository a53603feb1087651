/** Everything the data plane can refuse, closed: code, status and public sentence live here and nowhere else. */

export type RefusalScope = 'wire' | 'route' | 'credential' | 'limit' | 'upstream' | 'authority';

export interface RefusalSpec {
  readonly status: number;
  /** For people, without any detail of the request. */
  readonly sentence: string;
  /** The same request may succeed later without anyone changing anything. */
  readonly retryable: boolean;
  readonly scope: RefusalScope;
}

const spec = (status: number, scope: RefusalScope, retryable: boolean, sentence: string): RefusalSpec =>
  Object.freeze({ status, sentence, retryable, scope });

const CATALOGUE = {
  bad_request: spec(400, 'wire', false, 'The request is malformed.'),
  bad_target: spec(400, 'wire', false, 'The request target has no single meaning.'),
  missing_host: spec(400, 'wire', false, 'The request needs exactly one valid Host.'),
  doubled_credential: spec(400, 'credential', false, 'The request carries more than one credential of a kind.'),
  request_timeout: spec(408, 'wire', true, 'The request did not arrive in time.'),
  length_required: spec(411, 'wire', false, 'The request needs a length.'),
  body_too_large: spec(413, 'wire', false, 'The request body is too large.'),
  target_too_long: spec(414, 'wire', false, 'The request target is too long.'),
  expectation_failed: spec(417, 'wire', false, 'The expectation of the request cannot be met.'),
  header_too_large: spec(431, 'wire', false, 'The request header is too large.'),
  unknown_transfer_coding: spec(501, 'wire', false, 'The transfer coding is not supported.'),
  bad_version: spec(505, 'wire', false, 'The protocol version is not supported.'),

  no_route: spec(404, 'route', false, 'No route matches this request.'),
  method_not_allowed: spec(405, 'route', false, 'The route does not take this method.'),

  invalid_api_key: spec(401, 'credential', false, 'A valid API key is required.'),
  key_expired: spec(401, 'credential', false, 'The API key has expired.'),
  key_revoked: spec(401, 'credential', false, 'The API key was revoked.'),
  key_suspended: spec(401, 'credential', false, 'The API key is suspended.'),
  budget_exhausted: spec(401, 'credential', false, 'The API key has used up its request budget.'),
  signature_missing: spec(401, 'credential', false, 'The request must be signed.'),
  signature_invalid: spec(401, 'credential', false, 'The signature of the request is not valid.'),
  signature_replayed: spec(401, 'credential', false, 'The signed request was received before.'),
  missing_token: spec(401, 'credential', false, 'A bearer token is required.'),
  invalid_token: spec(401, 'credential', false, 'A valid bearer token is required.'),
  address_not_allowed: spec(403, 'credential', false, 'Requests from this address are not allowed.'),
  insufficient_scope: spec(403, 'credential', false, 'The credential lacks a scope that this route requires.'),
  route_not_permitted: spec(403, 'credential', false, 'The credential is not valid for this route.'),

  rate_limited: spec(429, 'limit', true, 'Too many requests; slow down.'),
  quota_exceeded: spec(429, 'limit', true, 'The quota of this window is used up.'),

  not_enforceable: spec(503, 'route', false, 'The route asks for a check that this gateway cannot carry out.'),
  no_upstream: spec(503, 'upstream', false, 'The route has no upstream.'),
  secret_missing: spec(503, 'route', false, 'The route needs a secret that was not provided.'),
  public_url_missing: spec(503, 'route', false, 'The route needs the public URL of the gateway.'),
  authority_unavailable: spec(503, 'authority', true, 'The limit cannot be counted at the moment.'),
  validation_unavailable: spec(503, 'authority', true, 'Credentials cannot be validated at the moment.'),
  keys_unavailable: spec(503, 'authority', true, 'The keys of the token issuer are not available at the moment.'),
  stale_state: spec(503, 'authority', true, 'The gateway has been without news for too long to decide.'),
  not_ready: spec(503, 'authority', true, 'The gateway has no configuration yet.'),
  overloaded: spec(503, 'authority', true, 'The gateway is overloaded.'),

  upstream_unreachable: spec(502, 'upstream', true, 'The upstream cannot be reached.'),
  upstream_bad_response: spec(502, 'upstream', true, 'The upstream answered with something that is not HTTP.'),
  upstream_timeout: spec(504, 'upstream', true, 'The upstream did not answer in time.'),

  internal: spec(500, 'wire', true, 'The gateway failed.'),
} as const satisfies Record<string, RefusalSpec>;

export type RefusalCode = keyof typeof CATALOGUE;

export const REFUSALS: Readonly<Record<RefusalCode, RefusalSpec>> = Object.freeze(CATALOGUE);

export interface Refusal {
  readonly refused: true;
  readonly code: RefusalCode;
  /** For logs only; never sent. */
  readonly because: string;
  readonly retryAfterMs?: number;
  /** The missing scope of `insufficient_scope`. */
  readonly scope?: string;
}

export function refuse(
  code: RefusalCode,
  because: string,
  extra?: { readonly retryAfterMs?: number | undefined; readonly scope?: string | undefined },
): Refusal {
  return {
    refused: true,
    code,
    because,
    ...(extra?.retryAfterMs === undefined ? {} : { retryAfterMs: extra.retryAfterMs }),
    ...(extra?.scope === undefined ? {} : { scope: extra.scope }),
  };
}

export function isRefusalCode(text: string): text is RefusalCode {
  return Object.hasOwn(CATALOGUE, text);
}
