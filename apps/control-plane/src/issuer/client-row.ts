import { maskKey } from '@fluxgate/policy';
import type { IssuerClient } from '@fluxgate/protocol/admin';
import type { Prisma, Reader } from '@fluxgate/stores/postgres';

export type ClientRow = Prisma.OauthClientGetPayload<{ include: { secrets: true } }>;
export type SecretRow = ClientRow['secrets'][number];

/** Newest first: the first is the one that has no end. */
const secrets = { orderBy: { createdAt: 'desc' } } as const;
export const withSecrets = { secrets } as const;

const CLIENT_ID = /^client_[0-9A-Za-z]{12}$/;
/** Names of this shape are taken for ids. */
export const looksLikeClientId = (text: string): boolean => CLIENT_ID.test(text);

/** By client id, or by name. */
export function findClient(db: Reader, realm: string, idOrName: string): Promise<ClientRow | null> {
  const where = looksLikeClientId(idOrName) ? { realm, clientId: idOrName } : { realm, name: idOrName };
  return db.oauthClient.findFirst({ where, include: withSecrets });
}

/** A secret works until its end by the clock, whether or not a job has tidied it away. */
export const isLiveSecret = ({ notAfter }: Pick<SecretRow, 'notAfter'>, nowMs: number): boolean =>
  notAfter === null || notAfter.getTime() > nowMs;

export function clientView(row: ClientRow, nowMs: number): IssuerClient {
  const { clientId, name, realm, owner, jwksUri, scopes, audiences, tokenTtlMs, mayIntrospect, enabled, createdBy } = row;
  return {
    clientId,
    name,
    realm,
    owner,
    authMethod: row.authMethod as IssuerClient['authMethod'],
    jwks: row.jwks as IssuerClient['jwks'],
    jwksUri,
    scopes,
    audiences,
    tokenTtlMs,
    mayIntrospect,
    enabled,
    secrets: row.secrets
      .filter((secret) => isLiveSecret(secret, nowMs))
      .map((secret) => ({
        kid: secret.kid,
        secret: maskKey('c', realm, secret.kid, secret.lastFour),
        createdAt: secret.createdAt.toISOString(),
        notAfter: secret.notAfter?.toISOString() ?? null,
        lastUsedAt: secret.lastUsedAt?.toISOString() ?? null,
      })),
    createdAt: row.createdAt.toISOString(),
    createdBy,
    updatedAt: row.updatedAt.toISOString(),
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  };
}
