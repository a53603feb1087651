import type { Services } from '../services.ts';

const EVERY_MS = 60_000;
const TOKENS_MAX = 10_000;

/** Notes when a token was last used, to the minute. */
export interface TokenUse {
  note(kid: string, nowMs: number): void;
}

/** A request does not wait for the note and does not fail with it. */
export function createTokenUse({ db, log }: Pick<Services, 'db' | 'log'>): TokenUse {
  const noted = new Map<string, number>();
  return {
    note(kid, nowMs) {
      if (nowMs - (noted.get(kid) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
      if (noted.size >= TOKENS_MAX) noted.clear();
      noted.set(kid, nowMs);
      db.prisma.accessToken
        .updateMany({ where: { kid }, data: { lastUsedAt: new Date(nowMs) } })
        .catch((error: unknown) => log.debug({ err: error }, 'last use of a token not noted'));
    },
  };
}
