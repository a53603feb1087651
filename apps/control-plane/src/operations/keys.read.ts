import type { Key } from '@fluxgate/protocol/admin';
import type { Prisma } from '@fluxgate/stores/postgres';
import { type Cursor, encodeCursor } from '../http/cursor.ts';
import { likeText, readCursor } from '../http/paging.ts';
import { keyNotFound, readLineage, withRotations } from '../keys/lineage.ts';
import { keyView } from '../keys/view.ts';
import { isProblem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import type { Handler } from './call.ts';

export const keysGet: Handler<'keysGet'> = async ({ realm, params, nowMs }, { db }) => {
  const name = params['key'] ?? '';
  const lineage = await readLineage(db.prisma, realm, name);
  if (lineage === null) return keyNotFound(name);
  const { tiers } = await readKeyContext(db.prisma, realm);
  return keyView(lineage, tiers, nowMs);
};

/** What a substring search looks at. */
function searchOf(wanted: string): Prisma.CredentialWhereInput {
  const text = likeText(wanted);
  const contains = { contains: text, mode: 'insensitive' } as const;
  const exact = { contains: text };
  return {
    OR: [
      { name: contains },
      { owner: contains },
      { id: exact },
      { versions: { some: { OR: [{ kid: exact }, { lastFour: exact }] } } },
    ],
  };
}

function labelOf(text: string): Prisma.CredentialWhereInput {
  const cut = text.indexOf('=');
  const path = [cut < 0 ? text : text.slice(0, cut)];
  return cut < 0 ? { labels: { path, string_contains: '' } } : { labels: { path, equals: text.slice(cut + 1) } };
}

/** Keys looked at for one page: a filter that almost nothing passes answers a short page and a cursor instead of searching for minutes. */
const LOOKED_AT_MAX = 10_000;
const BATCH = 500;

/** What the tables know of a state; a superset, because the clock decides the rest. */
function stateWhere(state: Key['state'], now: Date): Prisma.CredentialWhereInput {
  switch (state) {
    case 'active':
      return { versions: { some: { state: { in: ['active', 'retiring'] } } } };
    case 'suspended':
      return { versions: { some: { state: 'suspended' } } };
    case 'expired':
      return { versions: { some: { notAfter: { lte: now } } } };
    case 'exhausted':
      return { versions: { some: { budgetLimit: { not: null } } } };
    case 'revoked':
      return { versions: { none: { state: 'active', OR: [{ notAfter: null }, { notAfter: { gt: now } }] } } };
  }
}

/** Filters by what is stored; the state, which follows from the clock, is judged on the finished view. */
export const keysList: Handler<'keysList'> = async ({ realm, query, nowMs }, { db }) => {
  const cursor = readCursor('keysList', query.cursor);
  if (isProblem(cursor)) return cursor;
  const now = new Date(nowMs);
  const and: Prisma.CredentialWhereInput[] = [];
  if (query.search !== undefined && query.search !== '') and.push(searchOf(query.search));
  if (query.scope !== undefined) and.push({ scopes: { has: query.scope } });
  if (query.label !== undefined) and.push(labelOf(query.label));
  if (query.state !== undefined) and.push(stateWhere(query.state, now));
  if (query.due === 'true') and.push({ rotationDueAt: { lte: now } });
  if (query.due === 'false') and.push({ OR: [{ rotationDueAt: null }, { rotationDueAt: { gt: now } }] });
  if (query.expiringWithinMs !== undefined) {
    const until = new Date(Math.min(nowMs + query.expiringWithinMs, 8.64e15));
    and.push({ versions: { some: { state: 'active', notAfter: { gt: now, lte: until } } } });
  }
  if (query.unusedForMs !== undefined) {
    const since = new Date(Math.max(nowMs - query.unusedForMs, 0));
    and.push({ createdAt: { lt: since }, versions: { none: { lastUsedAt: { gte: since } } } });
  }
  const { tiers } = await readKeyContext(db.prisma, realm);
  const wanted = (key: Key): boolean => {
    if (query.state !== undefined) return key.state === query.state;
    // A key that is over needs no rotation, however long ago it was due.
    return query.due !== 'true' || key.state === 'active';
  };
  const judged = query.state !== undefined || query.due === 'true';
  const take = judged ? Math.max(BATCH, query.limit + 1) : query.limit + 1;
  const items: Key[] = [];
  let last: Cursor | null = cursor;
  for (let looked = 0; looked < LOOKED_AT_MAX; looked += take) {
    const rows = await db.prisma.credential.findMany({
      where: { realm, AND: [...and, ...(last === null ? [] : [before(last.atMs, last.id)])] },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      include: { versions: { orderBy: { number: 'asc' } } },
    });
    for (const lineage of await withRotations(db.prisma, rows)) {
      const key = keyView(lineage, tiers, nowMs);
      if (wanted(key)) {
        // One more than fits: there is a next page, and it begins behind the last one that fitted.
        if (items.length === query.limit && last !== null) return { items, nextCursor: encodeCursor('keysList', last) };
        items.push(key);
      }
      if (items.length <= query.limit) last = { atMs: lineage.row.createdAt.getTime(), id: lineage.row.id };
    }
    if (rows.length < take) return { items, nextCursor: null };
  }
  return { items, nextCursor: last === null ? null : encodeCursor('keysList', last) };
};

const before = (atMs: number, id: string): Prisma.CredentialWhereInput => {
  const createdAt = new Date(atMs);
  return { OR: [{ createdAt: { lt: createdAt } }, { createdAt, id: { lt: id } }] };
};
