import type { Role } from '@fluxgate/protocol/admin';
import { bearerToken, identify } from '../auth/identity.ts';
import { within } from '../http/within.ts';
import { isProblem } from '../problem.ts';
import type { ProvenClient } from './client-auth.ts';
import { type Ask, clientOf, type Desk } from './desk.ts';
import { isOAuthError, type OAuthError, oauthError } from './oauth-error.ts';

const IDENTIFY_MS = 3_000;

/** Who asks about tokens or ends them: a client, or an operator with an admin token. */
export type Caller =
  | { readonly client: ProvenClient['client'] }
  | { readonly client: null; readonly actor: string; readonly role: Role };

/** RFC 7662 §2.1: the endpoint is never open. `roles`: of admin tokens. */
export async function callerOf(desk: Desk, ask: Ask, roles: readonly Role[]): Promise<Caller | OAuthError> {
  if (ask.authorization.length !== 1 || !/^bearer /i.test(ask.authorization[0] ?? '')) {
    const proven = await clientOf(desk, ask);
    return isOAuthError(proven) ? proven : { client: proven.client };
  }
  if (ask.form.one('client_secret') !== null || ask.form.one('client_assertion') !== null)
    return oauthError('invalid_request', 'more than one way of client authentication is used');
  const { services, failures } = desk;
  const token = bearerToken(ask.authorization);
  const who = isProblem(token)
    ? token
    : await within(IDENTIFY_MS, identify(token, services.db.prisma, services.tokenDigest, ask.nowMs));
  if (isProblem(who) || who.realm !== ask.realm) {
    const retryAfterMs = failures.byAddress.retryAfterMs(ask.address, ask.nowMs);
    failures.byAddress.record(ask.address, ask.nowMs);
    services.metrics.authFailure();
    const tooMany = retryAfterMs === null ? {} : ({ status: 429, retryAfterMs } as const);
    return oauthError('invalid_token', 'the bearer token is not an admin token of this realm', tooMany);
  }
  if (!roles.includes(who.role)) return oauthError('insufficient_scope', `the role ${who.role} may not do this`);
  return { client: null, actor: who.actor, role: who.role };
}
