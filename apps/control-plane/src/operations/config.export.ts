import { renderConfig } from '@fluxgate/protocol/config';
import { readRealmConfig } from '../realm/config.ts';
import type { Handler } from './call.ts';

/** Applying what this answers changes nothing. */
export const configExport: Handler<'configExport'> = async ({ realm }, { db }) => {
  const { revision } = await db.head(realm);
  return { revision, yaml: renderConfig(await readRealmConfig(db.prisma, realm)) };
};
