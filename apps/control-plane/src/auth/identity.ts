import { timingSafeEqual } from 'node:crypto';
import { parseKey } from '@fluxgate/policy';
import { Role } from '@fluxgate/protocol/admin';
import type { Tx } from '@fluxgate/stores/postgres';
import { type Problem, problem } from '../problem.ts';
import type { TokenDigest } from './token-digest.ts';

/** Who asks: an admin token that was proven, with the realm and the role it is bound to. */
export interface Identity {
  readonly kid: string;
  readonly actor: string;
  readonly role: Role;
  readonly realm: string;
  readonly expiresAt: Date | null;
}

const refused = (detail: string): Problem =>
  problem(
    'unauthenticated',
    detail,
    'send `Authorization: Bearer fga_…`; on the host, `fluxgate-control-plane admin create --name N` prints a token',
  );

/** Compared with when no row was found, so that an unknown token costs what a wrong one costs. */
const nobody = Buffer.alloc(32);

/** The token in the header; a value when there is none that could be one. Nothing is looked up. */
export function bearerToken(
  headers: readonly string[],
): { readonly realm: string; readonly kid: string; readonly secret: string } | Problem {
  if (headers.length === 0) return refused('there is no Authorization header');
  if (headers.length > 1) return refused('there is more than one Authorization header');
  const text = /^Bearer +(\S+)$/i.exec(headers[0] ?? '')?.[1];
  if (text === undefined || text.length > 200) return refused('the Authorization header holds no bearer token');
  const parsed = parseKey(text);
  if (!parsed.ok) return refused('the token is not a FluxGate admin token, or a character of it was changed');
  if (parsed.kind !== 'a') return refused('this credential is not an admin token');
  return { realm: parsed.realm, kid: parsed.kid, secret: parsed.secret };
}

/** Unknown, wrong, expired and revoked are told apart only once possession is proven. */
export async function identify(
  token: { readonly realm: string; readonly kid: string; readonly secret: string },
  db: Tx,
  digest: TokenDigest,
  nowMs: number,
): Promise<Identity | Problem> {
  const row = await db.accessToken.findUnique({ where: { kid: token.kid } });
  const stored =
    row !== null && row.kind === 'admin' && row.realm === token.realm && row.digest.length === 32
      ? Buffer.from(row.digest)
      : nobody;
  const proven = timingSafeEqual(stored, digest('a', token.realm, token.kid, token.secret));
  if (!proven || row === null || stored === nobody) return refused('the token is not known here');
  if (row.revokedAt !== null) return refused(`the token ${row.name} was revoked`);
  if (row.expiresAt !== null && row.expiresAt.getTime() <= nowMs) return refused(`the token ${row.name} has expired`);
  const role = Role.safeParse(row.role);
  if (!role.success) return refused(`the token ${row.name} has a role that this version does not know`);
  return { kid: row.kid, actor: row.name, role: role.data, realm: row.realm, expiresAt: row.expiresAt };
}
