import type { Middleware, RealmConfig } from '@fluxgate/policy';

function of(one: Middleware): string[] {
  switch (one.kind) {
    case 'api_key':
      return [...one.scopes];
    case 'jwt':
      return [...one.jwt.requiredScopes];
    case 'oauth2':
      return Object.keys(one.oauth2.scopeRoutes);
    case 'any_of':
      return one.of.flatMap(of);
    default:
      return [];
  }
}

/** Scopes that some route asks for. */
export function requiredScopes(config: RealmConfig): Set<string> {
  const { jwt, oauth2 } = config.settings;
  return new Set([
    ...config.routes.flatMap(({ middleware }) => middleware.flatMap(of)),
    ...(jwt?.requiredScopes ?? []),
    ...Object.keys(oauth2?.scopeRoutes ?? {}),
  ]);
}
