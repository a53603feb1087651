import { isScope } from '../access/scopes.ts';
import { type JsonObject, valueAt } from './members.ts';

/** What an issuer calls things: where scopes are, and what it does differently from RFC 9068. */
export interface TokenPreset {
  readonly scopes: readonly string[];
  /** Claims that may say for whom the token is; the first that is there counts. */
  readonly audience: readonly string[];
  /** Claims that must have this value, if they are there at all. */
  readonly fixed: Readonly<Record<string, string>>;
  /** Other spellings of `iss` for the same issuer. */
  readonly issuerAliases: Readonly<Record<string, string>>;
}

const preset = (over: Partial<TokenPreset>): TokenPreset =>
  Object.freeze({ scopes: ['scope', 'scp'], audience: ['aud'], fixed: {}, issuerAliases: {}, ...over });

/** `standard` is RFC 9068: `scope`, or `scp` as a list. The others add what that provider puts elsewhere. */
export const TOKEN_PRESETS = Object.freeze({
  standard: preset({}),
  /** With RBAC on, what a user may do is in `permissions`. */
  auth0: preset({ scopes: ['scope', 'permissions'] }),
  okta: preset({ scopes: ['scp', 'groups'] }),
  /** Access tokens name no audience, only the client; ID tokens are signed with the same keys. */
  cognito: preset({ scopes: ['scope', 'cognito:groups'], audience: ['aud', 'client_id'], fixed: { token_use: 'access' } }),
  keycloak: preset({ scopes: ['scope', 'realm_access.roles'], fixed: { typ: 'Bearer' } }),
  /** ID tokens of services and people; old libraries leave the scheme out of `iss`. */
  google: preset({ scopes: ['scope'], issuerAliases: { 'https://accounts.google.com': 'accounts.google.com' } }),
} as const satisfies Record<string, TokenPreset>);

export type TokenPresetName = keyof typeof TOKEN_PRESETS;

export function isTokenPreset(name: string): name is TokenPresetName {
  return Object.hasOwn(TOKEN_PRESETS, name);
}

/**
 * Scopes that the token holds: at each path a text of words, or a list of texts (each one scope). What is no scope token
 * (RFC 6749 §3.3) is left out: it could not be required either.
 */
export function scopesOf(claims: JsonObject, paths: readonly string[]): readonly string[] {
  const held: string[] = [];
  for (const path of paths) {
    const value = valueAt(claims, path);
    const words = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
    for (const word of words) if (typeof word === 'string' && isScope(word) && !held.includes(word)) held.push(word);
  }
  return held;
}
