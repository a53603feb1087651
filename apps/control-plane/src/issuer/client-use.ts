import type { Services } from '../services.ts';

const EVERY_MS = 60_000;
const CLIENTS_MAX = 10_000;

/** Notes when a client and a secret of it were last used, to the minute. */
export interface ClientUse {
  note(clientId: string, secretKid: string | null, nowMs: number): void;
}

/** A request does not wait for the note and does not fail with it. */
export function createClientUse({ db, log }: Pick<Services, 'db' | 'log'>): ClientUse {
  const noted = new Map<string, number>();
  return {
    note(clientId, secretKid, nowMs) {
      const key = secretKid ?? clientId;
      if (nowMs - (noted.get(key) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
      if (noted.size >= CLIENTS_MAX) noted.clear();
      noted.set(key, nowMs);
      const data = { lastUsedAt: new Date(nowMs) };
      const write = async (): Promise<void> => {
        await db.prisma.oauthClient.updateMany({ where: { clientId }, data });
        if (secretKid !== null) await db.prisma.oauthClientSecret.updateMany({ where: { kid: secretKid }, data });
      };
      write().catch((error: unknown) => log.debug({ err: error }, 'last use of a client not noted'));
    },
  };
}
