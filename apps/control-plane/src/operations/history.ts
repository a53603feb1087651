import type { RevisionView } from '@fluxgate/protocol/admin';
import type { Prisma } from '@fluxgate/stores/postgres';
import { likeText, pageOf, readCursor } from '../http/paging.ts';
import { timeoutMs } from '../http/parse.ts';
import { isProblem, problem } from '../problem.ts';
import type { Handler } from './call.ts';

export const revisionsList: Handler<'revisionsList'> = async ({ realm, query }, { db }) => {
  const cursor = readCursor('revisionsList', query.cursor);
  if (isProblem(cursor)) return cursor;
  const rows = await db.prisma.revision.findMany({
    where: { realm, ...(cursor === null ? {} : { revision: { lt: BigInt(cursor.atMs) } }) },
    orderBy: { revision: 'desc' },
    take: query.limit + 1,
    select: { revision: true, committedAt: true, actor: true, urgent: true, summary: true },
  });
  const page = pageOf('revisionsList', rows, query.limit, ({ revision }) => ({ atMs: Number(revision), id: '' }));
  const items = page.items.map(({ revision, committedAt, actor, urgent, summary }) => ({
    revision: Number(revision),
    committedAt: committedAt.toISOString(),
    actor,
    urgent,
    summary: summary as RevisionView['summary'],
  }));
  return { items, nextCursor: page.nextCursor };
};

export const revisionsConvergence: Handler<'revisionsConvergence'> = async ({ realm, params, query, waitMs }, { db, nodes }) => {
  const text = params['revision'] ?? '';
  const head = await db.head(realm);
  const revision = text === 'head' ? head.revision : /^\d{1,15}$/.test(text) ? Number(text) : null;
  if (revision === null || revision > head.revision) {
    return problem('revision_not_found', `there is no revision "${text.slice(0, 40)}"`, `the newest is ${head.revision}`);
  }
  return nodes.convergence(realm, revision, waitMs ?? (query.timeout === undefined ? 0 : timeoutMs(query.timeout)));
};

export const auditList: Handler<'auditList'> = async ({ realm, query }, { db }) => {
  const cursor = readCursor('auditList', query.cursor);
  if (isProblem(cursor)) return cursor;
  const where: Prisma.AuditEventWhereInput = {
    realm,
    ...(cursor === null ? {} : { seq: { lt: BigInt(cursor.atMs) } }),
    ...(query.actor === undefined ? {} : { actor: query.actor }),
    ...(query.action === undefined ? {} : { action: query.action }),
    ...(query.target === undefined ? {} : { target: { contains: likeText(query.target) } }),
  };
  const rows = await db.prisma.auditEvent.findMany({ where, orderBy: { seq: 'desc' }, take: query.limit + 1 });
  const page = pageOf('auditList', rows, query.limit, ({ seq }) => ({ atMs: Number(seq), id: '' }));
  const items = page.items.map(
    ({ seq, at, actor, role, action, target, outcome, address, requestId, revision, before, after }) => ({
      seq: Number(seq),
      at: at.toISOString(),
      actor,
      role,
      action,
      target,
      outcome,
      address,
      requestId,
      revision: revision === null ? null : Number(revision),
      before,
      after,
    }),
  );
  return { items, nextCursor: page.nextCursor };
};
