import { isProblem } from '../problem.ts';
import { createWrite } from '../write.ts';
import { readOwnToken } from './access-token.ts';
import { callerOf } from './caller.ts';
import type { Ask, Desk } from './desk.ts';
import { isOAuthError, type OAuthError, oauthError } from './oauth-error.ts';

/**
 * RFC 7009: the token ends, as far as it is known here. What is unknown, ended or no token at all is 200 as well (§2.2): it is not valid any more,
 * which is what was asked for. A token of another client is refused (§2.1). null: done.
 */
export async function revoke(desk: Desk, ask: Ask): Promise<null | OAuthError> {
  const caller = await callerOf(desk, ask, ['operator', 'admin']);
  if (isOAuthError(caller)) return caller;
  const token = ask.form.one('token');
  if (token === null) return oauthError('invalid_request', 'token is missing');
  const claims = readOwnToken(token, ask.ring, ask.addresses.issuer, ask.nowMs);
  if (claims === null) return null;
  if (caller.client !== null && caller.client.clientId !== claims.client_id)
    return oauthError('invalid_grant', 'the token was issued to another client');

  const who =
    caller.client === null ? { name: caller.actor, role: caller.role } : { name: caller.client.clientId, role: 'client' };
  const actor = { realm: ask.realm, ...who, address: ask.address, requestId: ask.requestId };
  const { jti, client_id: clientId, exp } = claims;
  const done = await createWrite(desk.services, actor, { action: 'tokens.revoke' })(async (tx) => {
    const made = await tx.$executeRaw`
      INSERT INTO revoked_token (realm, jti, client_id, expires_at, revoked_at)
      VALUES (${ask.realm}, ${jti}, ${clientId}, ${new Date(exp * 1000)}, ${new Date(ask.nowMs)}) ON CONFLICT DO NOTHING`;
    const audit = made === 0 ? [] : [{ target: `client/${clientId}`, after: { jti, exp } }];
    return { value: {}, records: [], audit };
  });
  if (isProblem(done)) throw new Error(done.detail);
  return null;
}
