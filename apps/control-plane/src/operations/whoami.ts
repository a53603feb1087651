import type { Handler } from './call.ts';

export const whoami: Handler<'whoami'> = async ({ who, realm }, { db, version }) => {
  const head = await db.head(realm);
  return {
    actor: who.actor,
    kid: who.kid,
    role: who.role,
    realm,
    expiresAt: who.expiresAt?.toISOString() ?? null,
    serverVersion: version,
    epoch: head.epoch,
    revision: head.revision,
  };
};
