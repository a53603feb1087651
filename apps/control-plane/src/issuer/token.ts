import { signAccessToken } from './access-token.ts';
import type { ClientRow } from './client-row.ts';
import { type Ask, clientOf, type Desk } from './desk.ts';
import type { Form } from './form.ts';
import { isOAuthError, type OAuthError, oauthError } from './oauth-error.ts';

/** RFC 6749 §5.1. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly scope?: string;
}

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** RFC 6749 §4.4: an access token for the client itself. */
export async function issueToken(desk: Desk, ask: Ask): Promise<TokenAnswer | OAuthError> {
  const proven = await clientOf(desk, ask);
  if (isOAuthError(proven)) return proven;
  const { client } = proven;
  const grant = ask.form.one('grant_type');
  if (grant === null) return oauthError('invalid_request', 'grant_type is missing');
  if (grant !== 'client_credentials') return oauthError('unsupported_grant_type', 'only client_credentials is supported');
  const scopes = scopesFor(client, ask.form);
  if (isOAuthError(scopes)) return scopes;
  const audience = audienceFor(client, ask.form);
  if (isOAuthError(audience)) return audience;

  const { issuer, door, metrics } = desk.services;
  const nowS = Math.floor(ask.nowMs / 1000);
  const expiresInS = Math.max(1, Math.floor(client.tokenTtlMs / 1000));
  const scope = scopes.length === 0 ? {} : { scope: scopes.join(' ') };
  const token = await signAccessToken(issuer, ask.realm, ask.ring, {
    iss: ask.addresses.issuer,
    sub: client.clientId,
    aud: audience.length === 1 ? (audience[0] as string) : audience,
    exp: nowS + expiresInS,
    iat: nowS,
    jti: door.randomBytes(16).toString('base64url'),
    client_id: client.clientId,
    ...scope,
  });
  metrics.tokenIssued();
  return { access_token: token, token_type: 'Bearer', expires_in: expiresInS, ...scope };
}

/** RFC 6749 §3.3. Nothing asked for: all that the client may have. Never less than asked: a client must not find out later. */
function scopesFor(client: ClientRow, form: Form): readonly string[] | OAuthError {
  const asked = form.one('scope');
  if (asked === null) return client.scopes;
  if (!SCOPE.test(asked)) return oauthError('invalid_scope', 'the scope is malformed');
  const wanted = [...new Set(asked.split(' '))];
  if (wanted.some((scope) => !client.scopes.includes(scope)))
    return oauthError('invalid_scope', 'the client may not have all of the scopes it asks for');
  return wanted;
}

/** RFC 8707 §2, and `audience` for what is no URI. Nothing asked for: the first of the client's. */
function audienceFor(client: ClientRow, form: Form): readonly string[] | OAuthError {
  const resources = form.many('resource');
  if (resources.some((resource) => !isResource(resource)))
    return oauthError('invalid_target', 'resource is not an absolute URI without a fragment');
  const wanted = [...new Set([...resources, ...form.many('audience')])];
  const known = wanted.length === 0 ? client.audiences.slice(0, 1) : wanted;
  if (known.length === 0) return oauthError('invalid_target', 'the client has no audience for which a token could be made');
  if (known.some((one) => !client.audiences.includes(one)))
    return oauthError('invalid_target', 'the client may not have tokens for all that it asks for');
  return known;
}

const isResource = (text: string): boolean => /^[A-Za-z][A-Za-z0-9+.-]*:[^\s#]+$/.test(text);
