import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Door } from '../door.ts';
import { createToken } from './admin-create.ts';
import { DEFAULT_REALM, type Opened } from './open.ts';

/** Written beside its place and moved there, so that nobody reads half a token. */
function writeToken(dir: string, name: string, text: string): void {
  const path = join(dir, name);
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, `${text}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(fresh, path);
}

/**
 * For `standalone`: while the realm has no admin token, makes one and a node token and leaves them in `dir`. The node
 * token is written first: whoever finds the admin token finds both. True: they were made now.
 */
export async function bootstrap(
  { db, tokenDigest }: Pick<Opened, 'db' | 'tokenDigest'>,
  dir: string,
  door: Door,
): Promise<boolean> {
  const admins = await db.prisma.accessToken.count({ where: { realm: DEFAULT_REALM, kind: 'admin' } });
  if (admins > 0) return false;
  if (!existsSync(dir)) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const order = { realm: DEFAULT_REALM, by: 'bootstrap' } as const;
  writeToken(dir, 'node.token', await createToken({ db, tokenDigest }, { ...order, name: 'bootstrap', role: 'node' }, door));
  writeToken(dir, 'admin.token', await createToken({ db, tokenDigest }, { ...order, name: 'bootstrap', role: 'admin' }, door));
  return true;
}
