import { createHash } from 'node:crypto';
import { algorithmOf, type CompactJws, type JsonObject, readCompactJws } from '@fluxgate/policy';
import type { Database } from '@fluxgate/stores/postgres';
import { ASSERTION_ALGORITHMS, type IssuerAddresses } from './addresses.ts';
import type { ClientKeys } from './client-keys.ts';
import type { ClientRow } from './client-row.ts';
import { invalidClient, isOAuthError, type OAuthError } from './oauth-error.ts';
import { verifiesWith } from './signature.ts';

/** The longest life of an assertion that is taken: it is made for one request. */
const LIFETIME_MAX_S = 300;
const SKEW_S = 30;
const JTI_CHARS_MAX = 256;
const TYPES: ReadonlySet<string | null> = new Set([null, 'jwt', 'client-authentication+jwt']);

/** Whom an assertion speaks of, before it is believed; null: it cannot be one. */
export function assertedClient(assertion: string): string | null {
  const jws = readCompactJws(assertion);
  return jws.ok && typeof jws.claims['sub'] === 'string' && jws.claims['sub'] === jws.claims['iss'] ? jws.claims['sub'] : null;
}

/**
 * RFC 7523 §3 with what RFC 9700 and its update ask for: one audience, which is this issuer or its token endpoint, a life of
 * minutes, and each assertion once, whatever replica it came to. null: it is the client's.
 */
export async function judgeAssertion(
  assertion: string,
  client: ClientRow,
  addresses: IssuerAddresses,
  keys: ClientKeys,
  db: Pick<Database, 'prisma'>,
  nowMs: number,
): Promise<OAuthError | null> {
  const jws = readCompactJws(assertion);
  if (!jws.ok) return invalidClient(`the assertion is no token: ${jws.why}`);
  const why = claimsProblem(jws, client.clientId, addresses, nowMs / 1000);
  if (why !== null) return invalidClient(`the assertion: ${why}`);
  const algorithm = ASSERTION_ALGORITHMS.includes(jws.alg) ? algorithmOf(jws.alg) : null;
  if (algorithm === null) return invalidClient('the assertion is signed with an algorithm that is not taken');
  const candidates = await keys.candidates(client, jws.kid, algorithm, nowMs);
  if (isOAuthError(candidates)) return candidates;
  const [key] = candidates;
  // Without a key id only a single possible key is tried.
  if (key === undefined || candidates.length > 1) return invalidClient('the assertion names no key of the client');
  const signed = Buffer.from(assertion.slice(0, jws.signedChars), 'ascii');
  if (!verifiesWith(algorithm, key, signed, jws.signature)) return invalidClient('the assertion has a wrong signature');
  const first = await isFirstUse(db, client.clientId, jws.claims);
  return first ? null : invalidClient('the assertion was used before');
}

function claimsProblem({ claims, typ }: CompactJws, clientId: string, addresses: IssuerAddresses, nowS: number): string | null {
  if (!TYPES.has(typ)) return 'it is of another type';
  if (claims['iss'] !== clientId || claims['sub'] !== clientId) return 'iss and sub are not the client';
  const aud = claims['aud'];
  const audience = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (audience !== addresses.issuer && audience !== addresses.token) return 'aud is not this issuer alone';
  const { exp, nbf, iat, jti } = claims;
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return 'it has no exp';
  if (exp + SKEW_S <= nowS) return 'it has expired';
  if (exp > nowS + LIFETIME_MAX_S + SKEW_S) return `it is valid for more than ${LIFETIME_MAX_S} seconds`;
  for (const [name, at] of Object.entries({ nbf, iat }))
    if (at !== undefined && (typeof at !== 'number' || !(at <= nowS + SKEW_S))) return `${name} lies in the future`;
  if (typeof jti !== 'string' || jti === '' || jti.length > JTI_CHARS_MAX) return 'it has no jti of reasonable length';
  return null;
}

/** The insert is the judge: of two requests with one assertion, on any replica, one comes first. */
async function isFirstUse({ prisma }: Pick<Database, 'prisma'>, clientId: string, claims: JsonObject): Promise<boolean> {
  const hash = createHash('sha256').update(String(claims['jti']), 'utf8').digest();
  const until = new Date((Number(claims['exp']) + SKEW_S) * 1000);
  const made = await prisma.$executeRaw`
    INSERT INTO client_assertion (client_id, jti_hash, expires_at) VALUES (${clientId}, ${hash}, ${until}) ON CONFLICT DO NOTHING`;
  return made === 1;
}
