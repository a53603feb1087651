import type { Services } from '../services.ts';

const EVERY_MS = 60_000;

/** Notes when a token was last used, to the minute; the request does not wait for it and does not fail with it. */
export function touchToken({ db, log }: Pick<Services, 'db' | 'log'>, kid: string, nowMs: number): void {
  db.prisma.accessToken
    .updateMany({
      where: { kid, OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: new Date(nowMs - EVERY_MS) } }] },
      data: { lastUsedAt: new Date(nowMs) },
    })
    .catch((error: unknown) => log.debug({ err: error }, 'last use of a token not noted'));
}
