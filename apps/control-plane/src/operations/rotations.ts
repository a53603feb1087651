import type { Prisma } from '@fluxgate/stores/postgres';
import { pageOf, readCursor } from '../http/paging.ts';
import { endRotation, rotationNotFound } from '../keys/end-rotation.ts';
import { findCredentialId, keyNotFound } from '../keys/lineage.ts';
import { rotationView } from '../keys/rotation-view.ts';
import { isProblem } from '../problem.ts';
import type { Handler } from './call.ts';

/** Without `whenIdleMs`: a caller seen within this time is taken to be still there. */
const IDLE_MS = 10 * 60_000;

export const rotationsFinish: Handler<'rotationsFinish'> = async ({ body, realm, params, nowMs, write }) => {
  const idleMs = body.force ? null : (body.whenIdleMs ?? IDLE_MS);
  const done = await endRotation(write, { realm, rotation: params['rotation'] ?? '', nowMs, how: 'finished', idleMs });
  return isProblem(done) ? done : { ...done.value, revision: done.revision, convergence: null };
};

export const rotationsAbort: Handler<'rotationsAbort'> = async ({ realm, params, nowMs, write }) => {
  const done = await endRotation(write, { realm, rotation: params['rotation'] ?? '', nowMs, how: 'aborted', idleMs: null });
  return isProblem(done) ? done : { ...done.value, revision: done.revision, convergence: null };
};

const versions = { versions: { orderBy: { number: 'asc' } } } as const;

export const rotationsGet: Handler<'rotationsGet'> = async ({ realm, params, nowMs }, { db }) => {
  const id = params['rotation'] ?? '';
  const row = await db.prisma.rotation.findFirst({ where: { realm, id } });
  if (row === null) return rotationNotFound(id);
  return rotationView(
    row,
    await db.prisma.credential.findUniqueOrThrow({ where: { id: row.credentialId }, include: versions }),
    nowMs,
  );
};

export const rotationsList: Handler<'rotationsList'> = async ({ realm, query, nowMs }, { db }) => {
  const cursor = readCursor('rotationsList', query.cursor);
  if (isProblem(cursor)) return cursor;
  const and: Prisma.RotationWhereInput[] = [];
  if (query.key !== undefined) {
    const credentialId = await findCredentialId(db.prisma, realm, query.key);
    if (credentialId === null) return keyNotFound(query.key);
    and.push({ credentialId });
  }
  const now = new Date(nowMs);
  if (query.state === 'retiring') and.push({ state: 'retiring', graceUntil: { gt: now } });
  if (query.state === 'finished') and.push({ OR: [{ state: 'finished' }, { state: 'retiring', graceUntil: { lte: now } }] });
  if (query.state === 'aborted') and.push({ state: 'aborted' });
  if (cursor !== null) {
    const createdAt = new Date(cursor.atMs);
    and.push({ OR: [{ createdAt: { lt: createdAt } }, { createdAt, id: { lt: cursor.id } }] });
  }
  const rows = await db.prisma.rotation.findMany({
    where: { realm, AND: and },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: query.limit + 1,
  });
  const page = pageOf('rotationsList', rows, query.limit, ({ createdAt, id }) => ({ atMs: createdAt.getTime(), id }));
  const credentials = await db.prisma.credential.findMany({
    where: { id: { in: page.items.map(({ credentialId }) => credentialId) } },
    include: versions,
  });
  const byId = new Map(credentials.map((row) => [row.id, row]));
  const items = page.items.flatMap((row) => {
    const credential = byId.get(row.credentialId);
    return credential === undefined ? [] : [rotationView(row, credential, nowMs)];
  });
  return { items, nextCursor: page.nextCursor };
};
