import { type Form, formDecode } from './form.ts';
import { invalidClient, type OAuthError, oauthError } from './oauth-error.ts';

/** How a client says who it is, before any of it is believed. */
export type Presented =
  | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly clientId: string; readonly secret: string }
  | { readonly method: 'private_key_jwt'; readonly clientId: string | null; readonly assertion: string };

/** RFC 7523 §2.2 */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const AUTHORIZATION_CHARS_MAX = 4096;

/** RFC 6749 §2.3: exactly one method in a request. */
export function readPresented(authorization: readonly string[], form: Form): Presented | OAuthError {
  const clientId = form.one('client_id');
  const secret = form.one('client_secret');
  const assertion = form.one('client_assertion');
  const type = form.one('client_assertion_type');
  const methods = [authorization.length > 0, secret !== null, assertion !== null || type !== null].filter(Boolean).length;
  if (methods > 1 || authorization.length > 1)
    return oauthError('invalid_request', 'more than one way of client authentication is used');
  if (authorization.length === 1) return readBasic(authorization[0] ?? '', clientId);
  if (assertion !== null || type !== null) {
    if (assertion === null || type === null)
      return oauthError('invalid_request', 'client_assertion and client_assertion_type go together');
    if (type !== ASSERTION_TYPE) return oauthError('invalid_request', 'the client_assertion_type is not supported');
    return { method: 'private_key_jwt', clientId, assertion };
  }
  if (clientId === null || secret === null) return invalidClient('no client authentication');
  return { method: 'client_secret_post', clientId, secret };
}

/** RFC 6749 §2.3.1: both parts are form-encoded inside of the base64. */
function readBasic(header: string, named: string | null): Presented | OAuthError {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header.slice(0, AUTHORIZATION_CHARS_MAX + 1))?.[1];
  if (encoded === undefined || header.length > AUTHORIZATION_CHARS_MAX)
    return invalidClient('the Authorization header is not Basic');
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const clientId = colon < 0 ? null : formDecode(text.slice(0, colon));
  const secret = colon < 0 ? null : formDecode(text.slice(colon + 1));
  if (clientId === null || secret === null || clientId === '' || secret === '')
    return invalidClient('the Basic credentials are not client_id:client_secret');
  if (named !== null && named !== clientId)
    return oauthError('invalid_request', 'client_id is not the client of the credentials');
  return { method: 'client_secret_basic', clientId, secret };
}
