import type { OperationId } from '@fluxgate/protocol/admin';
import { invalid, type Problem } from '../problem.ts';
import { type Cursor, decodeCursor, encodeCursor } from './cursor.ts';

/** null: the first page. */
export function readCursor(list: OperationId, text: string | undefined): Problem | Cursor | null {
  if (text === undefined || text === '') return null;
  return (
    decodeCursor(list, text) ??
    invalid([{ field: 'cursor', message: 'this is not a cursor of this list', hint: 'pass on `nextCursor` as it was answered' }])
  );
}

/** `rows` holds one more than `limit` if there is a next page. */
export function pageOf<T>(
  list: OperationId,
  rows: readonly T[],
  limit: number,
  at: (row: T) => Cursor,
): { items: T[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(list, at(last)) : null };
}

/** Prisma's `contains` is LIKE, and does not escape what LIKE takes for wildcards. */
export const likeText = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
