import { createLocalJWKSet, type JWTPayload, jwtVerify, type ProtectedHeaderParameters } from 'jose';
import type { Plane, Tenant } from './harness.ts';

export interface TokenReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
  readonly text: string;
}

export interface IssuedClient {
  readonly client: { readonly clientId: string; readonly name: string };
  readonly secret: string;
}

/** The endpoints of one realm's issuer as a client speaks to them: any form, any header. */
export class TokenClient {
  readonly issuer: string;

  constructor(plane: Pick<Plane, 'url'>, realm: string) {
    this.issuer = `${plane.url}/realms/${realm}`;
  }

  async post(
    endpoint: 'token' | 'introspect' | 'revoke',
    form: Readonly<Record<string, string>> | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TokenReply> {
    const response = await fetch(`${this.issuer}/oauth2/${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text), text };
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<TokenReply> {
    const response = await fetch(`${this.issuer}${path}`, { headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text), text };
  }

  token(issued: IssuedClient, form: Readonly<Record<string, string>> = {}): Promise<TokenReply> {
    return this.post('token', { grant_type: 'client_credentials', ...form }, basic(issued));
  }

  /** What a resource server does: the published key set, and jose. */
  async verify(
    token: string,
    audience: string,
    nowMs: number,
  ): Promise<{ payload: JWTPayload; protectedHeader: ProtectedHeaderParameters }> {
    const { body } = await this.get('/oauth2/jwks');
    const keys = createLocalJWKSet(body as unknown as Parameters<typeof createLocalJWKSet>[0]);
    return jwtVerify(token, keys, { issuer: this.issuer, audience, typ: 'at+jwt', currentDate: new Date(nowMs) });
  }
}

export function basic({ client, secret }: IssuedClient): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${client.clientId}:${secret}`).toString('base64')}` };
}

export async function makeClient(tenant: Tenant, body: Record<string, unknown> = {}): Promise<IssuedClient> {
  const made = await tenant.post<IssuedClient>('/v1/clients', {
    name: 'orders-worker',
    scopes: ['read:orders', 'write:orders'],
    audiences: ['orders-api', 'https://orders.example.com/v1'],
    ...body,
  });
  if (made.status !== 201) throw new Error(made.text);
  return made.body;
}
