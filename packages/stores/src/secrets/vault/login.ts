import type { Secret } from '../secret.ts';
import { type Answer, member } from './answers.ts';

/** How the control plane proves itself. Files are read at each login, so that a renewed one is found. */
export type VaultLogin =
  | { readonly method: 'token'; readonly read: () => Secret }
  | { readonly method: 'approle'; readonly mount: string; readonly roleId: string; readonly readSecretId: () => Secret }
  | { readonly method: 'kubernetes'; readonly mount: string; readonly role: string; readonly readJwt: () => Secret };

/** A token and how long it lives. */
export interface Lease {
  readonly token: Secret;
  /** null: it does not end. */
  readonly ttlMs: number | null;
  readonly renewable: boolean;
}

/** Path and body of a login request; null for a token, which needs none. */
export function loginRequest(login: VaultLogin): { readonly path: string; readonly body: object } | null {
  switch (login.method) {
    case 'token':
      return null;
    case 'approle':
      return {
        path: `auth/${login.mount}/login`,
        body: { role_id: login.roleId, secret_id: login.readSecretId().reveal().trim() },
      };
    case 'kubernetes':
      return { path: `auth/${login.mount}/login`, body: { role: login.role, jwt: login.readJwt().reveal().trim() } };
  }
}

const seconds = (value: unknown): number | null => (typeof value === 'number' && value > 0 ? value * 1000 : null);

/** The `auth` block of a login or renewal; null: the answer has none. */
export function leaseOf(answer: Answer, wrap: (text: string) => Secret): Lease | null {
  const token = member(answer.body, 'auth', 'client_token');
  if (typeof token !== 'string' || token === '') return null;
  return {
    token: wrap(token),
    ttlMs: seconds(member(answer.body, 'auth', 'lease_duration')),
    renewable: member(answer.body, 'auth', 'renewable') === true,
  };
}

/** From `auth/token/lookup-self`. */
export function lookedUp(answer: Answer, token: Secret): Lease {
  return {
    token,
    ttlMs: seconds(member(answer.body, 'data', 'ttl')),
    renewable: member(answer.body, 'data', 'renewable') === true,
  };
}
