import { callerOf } from './caller.ts';
import type { Ask, Desk } from './desk.ts';
import { isOAuthError, type OAuthError, oauthError } from './oauth-error.ts';
import { standingToken } from './standing.ts';

/** RFC 7662 §2.2. `active: false` comes alone: why is nobody's business (§4). */
export async function introspect(desk: Desk, ask: Ask): Promise<object | OAuthError> {
  const caller = await callerOf(desk, ask, ['viewer', 'operator', 'admin']);
  if (isOAuthError(caller)) return caller;
  const token = ask.form.one('token');
  if (token === null) return oauthError('invalid_request', 'token is missing');
  const claims = await standingToken(desk.services, ask, token);
  // A client without the permission may ask about its own tokens only; all others are as good as unknown to it.
  const visible =
    claims !== null && (caller.client === null || caller.client.mayIntrospect || caller.client.clientId === claims.client_id);
  if (!visible) return { active: false };
  const { scope, client_id, exp, iat, sub, aud, iss, jti } = claims;
  return {
    active: true,
    ...(scope === undefined ? {} : { scope }),
    client_id,
    token_type: 'Bearer',
    exp,
    iat,
    sub,
    aud,
    iss,
    jti,
  };
}
