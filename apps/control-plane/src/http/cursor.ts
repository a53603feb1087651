import type { OperationId } from '@fluxgate/protocol/admin';

/** Where a page ends: the time and id of its last row (newest first), or a sequence number as id. */
export interface Cursor {
  readonly atMs: number;
  readonly id: string;
}

/** Opaque to clients, bound to the list it came from. Not signed: it only says where to go on, within one's own realm. */
export function encodeCursor(list: OperationId, { atMs, id }: Cursor): string {
  return Buffer.from(JSON.stringify([list, atMs, id])).toString('base64url');
}

/** null: not a cursor of this list. */
export function decodeCursor(list: OperationId, text: string): Cursor | null {
  if (!/^[A-Za-z0-9_-]{1,500}$/.test(text)) return null;
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(content) || content.length !== 3) return null;
  const [of, atMs, id] = content as unknown[];
  if (of !== list || typeof atMs !== 'number' || !Number.isSafeInteger(atMs) || Math.abs(atMs) > 8.64e15) return null;
  return typeof id === 'string' && id.length <= 400 ? { atMs, id } : null;
}
