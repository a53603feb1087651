import type { Handler } from './call.ts';

export const nodesList: Handler<'nodesList'> = async ({ realm }, { db, nodes }) => {
  const head = await db.head(realm);
  return { revision: head.revision, digest: Buffer.from(head.stateDigest).toString('hex'), items: await nodes.list(realm) };
};
