import { DatabaseUnavailable } from '@fluxgate/stores';

/** The result, or DatabaseUnavailable when it takes longer: a caller is told within seconds that the database is away. */
export async function within<T>(limitMs: number, work: Promise<T>, outcome: 'not_done' | 'unknown' = 'not_done'): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DatabaseUnavailable(`no answer within ${limitMs} ms`, { outcome })), limitMs);
  });
  // The loser of the race may still reject; nobody waits for it any more.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
