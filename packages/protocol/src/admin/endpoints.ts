/**
 * Method and path of every operation: all that a client needs to call one. Kept free of zod so that a command-line
 * program can import it without paying for the schemas at start.
 */

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Endpoint {
  readonly method: Method;
  /** Template in the manner of OpenAPI: `/v1/keys/{key}`. */
  readonly path: string;
}

export const endpoints = {
  whoami: { method: 'GET', path: '/v1/whoami' },

  keysGenerate: { method: 'POST', path: '/v1/keys' },
  keysList: { method: 'GET', path: '/v1/keys' },
  keysGet: { method: 'GET', path: '/v1/keys/{key}' },
  keysUpdate: { method: 'PATCH', path: '/v1/keys/{key}' },
  keysRenew: { method: 'POST', path: '/v1/keys/{key}/renew' },
  keysRevoke: { method: 'POST', path: '/v1/keys/{key}/revoke' },
  keysRotate: { method: 'POST', path: '/v1/keys/{key}/rotate' },
  keysUsage: { method: 'GET', path: '/v1/keys/{key}/usage' },

  rotationsList: { method: 'GET', path: '/v1/rotations' },
  rotationsGet: { method: 'GET', path: '/v1/rotations/{rotation}' },
  rotationsFinish: { method: 'POST', path: '/v1/rotations/{rotation}/finish' },
  rotationsAbort: { method: 'POST', path: '/v1/rotations/{rotation}/abort' },

  secretsSet: { method: 'PUT', path: '/v1/secrets' },
  secretsList: { method: 'GET', path: '/v1/secrets' },
  secretsStatus: { method: 'GET', path: '/v1/secrets/status' },
  secretsRotatePepper: { method: 'POST', path: '/v1/secrets/rotate-pepper' },

  nodesList: { method: 'GET', path: '/v1/nodes' },
  nodeTokensCreate: { method: 'POST', path: '/v1/nodes/tokens' },
  nodeTokensList: { method: 'GET', path: '/v1/nodes/tokens' },
  nodeTokensRevoke: { method: 'DELETE', path: '/v1/nodes/tokens/{kid}' },

  adminTokensCreate: { method: 'POST', path: '/v1/tokens' },
  adminTokensList: { method: 'GET', path: '/v1/tokens' },
  adminTokensRevoke: { method: 'DELETE', path: '/v1/tokens/{kid}' },

  configApply: { method: 'POST', path: '/v1/config/apply' },
  configExport: { method: 'GET', path: '/v1/config/export' },
  routesList: { method: 'GET', path: '/v1/routes' },
  routesGet: { method: 'GET', path: '/v1/routes/{route}' },
  routesTest: { method: 'POST', path: '/v1/routes/test' },

  authVerify: { method: 'POST', path: '/v1/auth/verify' },

  oauth2Configure: { method: 'PUT', path: '/v1/oauth2/clients/{clientId}' },
  oauth2List: { method: 'GET', path: '/v1/oauth2/clients' },
  oauth2Get: { method: 'GET', path: '/v1/oauth2/clients/{clientId}' },
  oauth2Delete: { method: 'DELETE', path: '/v1/oauth2/clients/{clientId}' },

  clientsCreate: { method: 'POST', path: '/v1/clients' },
  clientsList: { method: 'GET', path: '/v1/clients' },
  clientsGet: { method: 'GET', path: '/v1/clients/{client}' },
  clientsUpdate: { method: 'PATCH', path: '/v1/clients/{client}' },
  clientsRotateSecret: { method: 'POST', path: '/v1/clients/{client}/rotate-secret' },
  clientsDelete: { method: 'DELETE', path: '/v1/clients/{client}' },
  jwksIssuerStatus: { method: 'GET', path: '/v1/issuer/jwks' },
  jwksRotate: { method: 'POST', path: '/v1/issuer/jwks/rotate' },

  jwksStatus: { method: 'GET', path: '/v1/jwks' },
  jwksRefresh: { method: 'POST', path: '/v1/jwks/refresh' },
  jwksEvict: { method: 'POST', path: '/v1/jwks/evict' },

  revisionsList: { method: 'GET', path: '/v1/revisions' },
  revisionsConvergence: { method: 'GET', path: '/v1/revisions/{revision}/convergence' },
  auditList: { method: 'GET', path: '/v1/audit' },
} as const satisfies Record<string, Endpoint>;

export type OperationId = keyof typeof endpoints;

/** Fills a path template; every value is escaped, so a name holding `/` stays one segment. */
export function endpointPath(id: OperationId, parameters: Readonly<Record<string, string>> = {}): string {
  return endpoints[id].path.replace(/\{([A-Za-z]+)\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined || value === '') throw new TypeError(`${id} needs the path parameter ${name}`);
    return encodeURIComponent(value);
  });
}
