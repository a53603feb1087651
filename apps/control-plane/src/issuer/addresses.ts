import { DEFAULT_REALM } from '../realm/default-realm.ts';
import type { Issuer } from './issuer.ts';

/** Where the issuer of a realm serves what. The realm `live` is the issuer itself, every other one lies below `/realms/NAME`. */
export interface IssuerAddresses {
  readonly issuer: string;
  readonly token: string;
  readonly introspect: string;
  readonly revoke: string;
  readonly jwks: string;
}

const realmPath = (realm: string): string => (realm === DEFAULT_REALM ? '' : `/realms/${realm}`);

/** null: the base URL is not known. */
export function addressesOf(issuer: Pick<Issuer, 'baseUrl'>, realm: string): IssuerAddresses | null {
  const base = issuer.baseUrl();
  if (base === null) return null;
  const own = `${base}${realmPath(realm)}`;
  return {
    issuer: own,
    token: `${own}/oauth2/token`,
    introspect: `${own}/oauth2/introspect`,
    revoke: `${own}/oauth2/revoke`,
    jwks: `${own}/oauth2/jwks`,
  };
}

/** Path of the base URL, without a slash at the end: a proxy may pass it on or take it away, both are served. */
export function basePathOf(baseUrl: string | null): string {
  return baseUrl === null ? '' : new URL(baseUrl).pathname.replace(/\/+$/, '');
}

/** RFC 8414 §2, members in its order. */
export function metadataOf(addresses: IssuerAddresses): Record<string, unknown> {
  const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];
  return {
    issuer: addresses.issuer,
    token_endpoint: addresses.token,
    jwks_uri: addresses.jwks,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint: addresses.revoke,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint: addresses.introspect,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
  };
}

/** What client assertions may be signed with: asymmetric, and nothing that is on its way out. */
export const ASSERTION_ALGORITHMS: readonly string[] = ['ES256', 'ES384', 'ES512', 'EdDSA', 'PS256', 'PS384', 'PS512', 'RS256'];
