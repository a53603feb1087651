import { REALM_PATTERN } from '@fluxgate/policy';
import { NAME_PATTERN, Role } from '@fluxgate/protocol/admin';
import { freshToken } from '../auth/issue-token.ts';
import { type Door, newId } from '../door.ts';
import { type Opened, openRealm } from './open.ts';

export interface AdminOrder {
  readonly name: string;
  readonly role: Role;
  readonly realm: string;
}

/** `--name N [--role admin] [--realm live]`; everything that is wrong with it, or the order. */
export function parseAdminOrder(args: readonly string[]): AdminOrder | { readonly problems: readonly string[] } {
  const given = new Map<string, string>();
  const problems: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const [, flag, inline] = /^--(name|role|realm)(?:=(.*))?$/.exec(args[index] ?? '') ?? [];
    if (flag === undefined) {
      problems.push(`unknown argument ${args[index]}`);
      continue;
    }
    const value = inline ?? args[index + 1];
    if (inline === undefined) index += 1;
    if (value === undefined || value === '') problems.push(`--${flag} needs a value`);
    else if (given.has(flag)) problems.push(`--${flag} is given twice`);
    else given.set(flag, value);
  }
  const name = given.get('name');
  if (name === undefined) problems.push('--name is missing: say for whom the token is');
  else if (!NAME_PATTERN.test(name)) problems.push('--name: letters, digits and . _ : @ - only, at most 200');
  const role = Role.safeParse(given.get('role') ?? 'admin');
  if (!role.success) problems.push(`--role: one of ${Role.options.join(', ')}`);
  const realm = given.get('realm') ?? 'live';
  if (!REALM_PATTERN.test(realm)) problems.push('--realm: 2 to 10 of a-z and 0-9');
  return problems.length > 0 || name === undefined || !role.success ? { problems } : { name, role: role.data, realm };
}

/** A token made on the host, by whoever can read the KEK and reach the database. Audited like every other one. */
export async function createAdmin(
  opened: Pick<Opened, 'db' | 'kek' | 'tokenDigest'>,
  order: AdminOrder,
  door: Door,
): Promise<string> {
  await openRealm(opened, door, order.realm);
  return createToken(opened, { ...order, by: 'host' }, door);
}

export async function createToken(
  { db, tokenDigest }: Pick<Opened, 'db' | 'tokenDigest'>,
  order: { readonly name: string; readonly role: Role | 'node'; readonly realm: string; readonly by: string },
  door: Door,
): Promise<string> {
  const { row, text } = await freshToken({ ...order, expiresInMs: null, nowMs: door.nowMs() }, door, tokenDigest, db.prisma);
  const actor = { name: order.by, role: 'host', address: null, requestId: newId(door, 'req') };
  await db.write(order.realm, actor, async (tx) => {
    await tx.accessToken.create({ data: row });
    const { kid, name, role } = row;
    return {
      value: null,
      records: [],
      summary: [],
      audit: [{ action: 'admin.create', target: `token/${kid}`, after: { kid, name, role } }],
    };
  });
  return text;
}
