import { classified } from './classify.ts';
import type { Client } from './client.ts';

/** Does the realm have keys that were made with its pepper ring and may still verify? Then that ring may be lost, but not made anew. */
export async function hasKeys(prisma: Pick<Client, 'keyVersion'>, realm: string): Promise<boolean> {
  const found = await classified(() =>
    prisma.keyVersion.findFirst({ where: { realm, state: { notIn: ['revoked', 'retired'] } }, select: { kid: true } }),
  );
  return found !== null;
}
