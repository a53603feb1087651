import type { IssuedToken, Role, TokenView } from '@fluxgate/protocol/admin';
import { lockRealm, type Tx } from '@fluxgate/stores/postgres';
import { freshToken, tokenView } from '../auth/issue-token.ts';
import { isProblem, type Problem, problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Call, Handler } from './call.ts';

type Kind = 'admin' | 'node';

async function create(
  call: Call<'adminTokensCreate'> | Call<'nodeTokensCreate'>,
  services: Services,
  role: Role | 'node',
): Promise<Problem | IssuedToken> {
  const { realm, actor, nowMs, body } = call;
  const token = await freshToken(
    { realm, name: body.name, role, expiresInMs: body.expiresInMs, by: actor.name, nowMs },
    services.door,
    services.tokenDigest,
    services.db.prisma,
  );
  const view = tokenView(token.row);
  const done = await call.write(async (tx) => {
    await tx.accessToken.create({ data: token.row });
    return {
      value: { token: token.text, view, replayed: false },
      records: [],
      audit: [{ target: `token/${view.kid}`, after: view }],
    };
  });
  return isProblem(done) ? done : done.value;
}

async function list(realm: string, kind: Kind, { db }: Services): Promise<{ items: TokenView[] }> {
  const rows = await db.prisma.accessToken.findMany({
    where: { realm, kind },
    orderBy: [{ createdAt: 'desc' }, { kid: 'desc' }],
  });
  return { items: rows.map(tokenView) };
}

async function isLastAdmin(tx: Tx, realm: string, kid: string, nowMs: number): Promise<boolean> {
  const live = {
    realm,
    kind: 'admin',
    role: 'admin',
    revokedAt: null,
    OR: [{ expiresAt: null }, { expiresAt: { gt: new Date(nowMs) } }],
  };
  const admins = await tx.accessToken.findMany({ where: live, select: { kid: true } });
  return admins.length === 1 && admins[0]?.kid === kid;
}

async function revoke(
  call: Call<'adminTokensRevoke'> | Call<'nodeTokensRevoke'>,
  kind: Kind,
): Promise<Problem | { view: TokenView }> {
  const { realm, nowMs } = call;
  const kid = call.params['kid'] ?? '';
  const done = await call.write(async (tx) => {
    // Two admins who revoke each other's token at the same moment must not both succeed.
    await lockRealm(tx, realm);
    const row = await tx.accessToken.findFirst({ where: { realm, kind, kid } });
    if (row === null)
      return problem('token_not_found', `there is no ${kind} token "${kid.slice(0, 100)}"`, 'tokens are named by their kid');
    if (row.revokedAt !== null) return { value: { view: tokenView(row) }, records: [], audit: [] };
    if (kind === 'admin' && (await isLastAdmin(tx, realm, kid, nowMs))) {
      return problem(
        'last_admin_token',
        'without this token nobody could administer the realm',
        'make another token with the role admin first',
      );
    }
    const ended = await tx.accessToken.update({ where: { kid }, data: { revokedAt: new Date(nowMs) } });
    return {
      value: { view: tokenView(ended) },
      records: [],
      audit: [{ target: `token/${kid}`, before: tokenView(row), after: tokenView(ended) }],
    };
  });
  return isProblem(done) ? done : done.value;
}

export const adminTokensCreate: Handler<'adminTokensCreate'> = (call, services) => create(call, services, call.body.role);
export const adminTokensList: Handler<'adminTokensList'> = ({ realm }, services) => list(realm, 'admin', services);
export const adminTokensRevoke: Handler<'adminTokensRevoke'> = (call) => revoke(call, 'admin');

export const nodeTokensCreate: Handler<'nodeTokensCreate'> = (call, services) => create(call, services, 'node');
export const nodeTokensList: Handler<'nodeTokensList'> = ({ realm }, services) => list(realm, 'node', services);
/** The token ends first; only then are its nodes cut off, so that none comes back in between. */
export const nodeTokensRevoke: Handler<'nodeTokensRevoke'> = async (call, services) => {
  const result = await revoke(call, 'node');
  if (!isProblem(result)) services.nodes.disconnect(result.view.kid);
  return result;
};
