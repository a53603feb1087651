import type { Services } from '../services.ts';
import type { IssuerAddresses } from './addresses.ts';
import { assertedClient, judgeAssertion } from './assertion.ts';
import type { ClientKeys } from './client-keys.ts';
import { type ClientRow, looksLikeClientId, withSecrets } from './client-row.ts';
import { proveSecret } from './client-secret.ts';
import { invalidClient, type OAuthError, oauthError } from './oauth-error.ts';
import type { Presented } from './presented.ts';

/** A client that has proven itself, by which secret (null: by a key of its own). */
export interface ProvenClient {
  readonly client: ClientRow;
  readonly secretKid: string | null;
}

/**
 * Who sent this? By the method that is registered and no other. A client that is switched off is told so, once it has proven that
 * it is the one.
 */
export async function authenticateClient(
  presented: Presented,
  realm: string,
  addresses: IssuerAddresses,
  services: Pick<Services, 'db' | 'tokenDigest'>,
  keys: ClientKeys,
  nowMs: number,
): Promise<ProvenClient | OAuthError> {
  const asserted = presented.method === 'private_key_jwt' ? assertedClient(presented.assertion) : null;
  const clientId = presented.method === 'private_key_jwt' ? asserted : presented.clientId;
  const row =
    clientId !== null && looksLikeClientId(clientId)
      ? await services.db.prisma.oauthClient.findFirst({ where: { realm, clientId }, include: withSecrets })
      : null;
  if (presented.method === 'private_key_jwt') {
    if (asserted === null) return invalidClient('the assertion names no client');
    if (presented.clientId !== null && presented.clientId !== asserted)
      return invalidClient('client_id is not the client of the assertion');
    if (row === null || row.authMethod !== presented.method) return invalidClient('there is no such client with keys of its own');
    const refused = await judgeAssertion(presented.assertion, row, addresses, keys, services.db, nowMs);
    return refused ?? enabled({ client: row, secretKid: null });
  }
  const usable = row?.authMethod === presented.method ? row : null;
  const proven = proveSecret(presented.secret, usable, realm, services.tokenDigest, nowMs);
  if (row === null || usable === null)
    return invalidClient(row === null ? 'there is no such client' : `the client is registered for ${row.authMethod}`);
  if (typeof proven === 'string') return invalidClient(proven);
  return enabled({ client: row, secretKid: proven.kid });
}

function enabled(proven: ProvenClient): ProvenClient | OAuthError {
  return proven.client.enabled ? proven : oauthError('unauthorized_client', 'the client is switched off');
}
