import { type Line, plain } from './outcome.ts';

/** A list as commands return it; `nextCursor` is null when all of it is here. */
export interface Listed<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}
const PAGE_MAX = 500;

/** Asks page by page until there are `most` items or no more. */
export async function collect<T>(
  most: number,
  page: (query: { limit: number; cursor?: string }) => Promise<Listed<T>>,
): Promise<Listed<T>> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const limit = Math.max(1, Math.min(PAGE_MAX, most - items.length));
    const found: Listed<T> = await page({ limit, ...(cursor === null ? {} : { cursor }) });
    items.push(...found.items);
    cursor = found.nextCursor;
  } while (cursor !== null && items.length < most);
  return { items, nextCursor: cursor };
}

export const moreLines = (listed: Listed<unknown>): Line[] =>
  listed.nextCursor === null ? [] : [plain(`${listed.items.length} shown, there are more: --limit ${listed.items.length * 10}`)];
