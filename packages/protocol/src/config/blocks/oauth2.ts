import type { OAuth2Settings } from '@fluxgate/policy';
import { isPlainAcrossNetwork, pathPrefix, redirect, url } from '../addresses.ts';
import { methodAndPath, scope, secretRef } from '../names.ts';
import {
  type Block,
  block,
  type Cursor,
  defaulted,
  type Fields,
  group,
  optional,
  placeOf,
  required,
  section,
} from '../schema.ts';
import type { MapTree } from '../tree.ts';
import { duration, flag, listOf, mapOf, oneOf, upTo, words } from '../values.ts';

const CALLBACK = group({
  title: '`callback`',
  about: 'Where the provider sends the browser back to, and where it goes from there.',
  fields: {
    path: defaulted(
      pathPrefix,
      '/auth/callback',
      'Path of this gateway to which the provider sends the browser back, compared exactly.',
    ),
    state_ttl: defaulted(duration(10_000, upTo(1)), 600_000, 'How long a login may take.', { example: '600s' }),
    redirect_success: defaulted(redirect, '/', 'Where the browser goes after a login that named no page.', {
      example: '/dashboard',
    }),
    redirect_failure: defaulted(redirect, '/', 'Where the browser goes after a login that failed.', {
      example: '/login?error=auth_failed',
    }),
  },
  foreign: {
    url: 'write `path`; the host comes from `public_url`',
    redirect_uri: 'write it beside `callback`: `redirect_uri: https://…`',
  },
});

const fields = {
  client_id: required(words(500), 'Name under which the provider knows FluxGate.', { example: 'gx_88291a' }),
  client_secret_ref: optional(secretRef, 'Where the client secret is kept; resolved by the control plane only.', {
    example: '"vault:secret/data/oauth2#client_secret"',
  }),
  issuer: optional(url, 'The provider (`iss`); its endpoints and keys are found by discovery.', {
    example: 'https://accounts.example.com',
  }),
  authorization_url: optional(url, 'Where a browser logs in. Implies the issuer of a known provider.', {
    example: 'https://accounts.google.com/o/oauth2/v2/auth',
  }),
  token_url: optional(url, 'Where codes are exchanged for tokens.', {
    example: 'https://oauth2.googleapis.com/token',
  }),
  introspection_url: optional(url, 'Where opaque tokens are asked about (RFC 7662).', {
    example: 'https://auth.example.com/introspect',
  }),
  redirect_uri: optional(
    url,
    'Callback as registered with the provider, compared exactly. Left out: `public_url` and `callback.path`.',
    {
      example: 'https://app.example.com/callback',
    },
  ),
  code_challenge_method: defaulted(
    oneOf(['S256'], (given) => ({
      why: /^plain$/i.test(given)
        ? '`plain` shows the verifier to whoever sees the login URL'
        : 'PKCE is always on, and S256 is its only method',
      remedy: '`S256`',
    })),
    'S256',
    'PKCE, always on (RFC 7636).',
    { aliases: ['codeChallengeMethod'] },
  ),
  callback: section(CALLBACK, 'Where the provider sends the browser back to.'),
  scopes: defaulted(listOf(scope, { max: 100 }), [], 'Scopes asked for at login.', { example: '["openid", "profile", "email"]' }),
  audience: defaulted(listOf(words(500), { isLoneAllowed: true, max: 50 }), [], 'For whom access tokens must be meant.', {
    example: 'orders-api',
  }),
  scope_routes: defaulted(
    mapOf(
      scope,
      listOf(methodAndPath, { isLoneAllowed: true, whyNotEmpty: 'the scope would open nothing' }),
      'map of scope → list of `METHOD /path`',
    ),
    {},
    'What each scope opens. With a table, what no scope opens is refused.',
    { example: '{ "read:inventory": ["GET /app/inventory"] }' },
  ),
};

const SECRET_REMEDY =
  'store it with `fluxctl secrets set secret/data/oauth2#client_secret --from-stdin`, write `client_secret_ref: "vault:secret/data/oauth2#client_secret"`, and change the secret: it stood in a file';
const FOREIGN = {
  client_secret: SECRET_REMEDY,
  clientSecret: SECRET_REMEDY,
  cookie_secret:
    'sessions are sealed with keys that FluxGate makes itself; remove the line, and change that secret: it stood in a file',
  cookie_name: 'FluxGate names its cookies itself; remove the line',
  redirect_uris: 'write `redirect_uri`, one URL',
  redirect: 'write `redirect_uri`',
  redirect_url: 'write `redirect_uri`',
  issuer_url: 'write `issuer`',
  oidc_issuer_url: 'write `issuer`',
  authorization_endpoint: 'write `authorization_url`',
  token_endpoint: 'write `token_url`',
  introspection_endpoint: 'write `introspection_url`',
  scope: 'write `scopes`, a list',
  pkce: 'PKCE is always on; `code_challenge_method: S256` says so',
  auth_url: 'write `authorization_url`',
  authorize_url: 'write `authorization_url`',
  discovery: 'write `issuer`: the discovery document is found below it',
  provider: 'write `issuer`, or the `authorization_url` of the provider',
  email_domains: 'who may enter is decided by scopes and claims; remove the line',
  upstreams: 'upstreams are named at the top of a gateway document and used by `upstream:` of a route',
};

type Inner = Omit<ReturnType<typeof take>, 'enabled'>;

function build(values: Inner, isEnabled: boolean, at: Cursor, tree: MapTree): OAuth2Settings {
  for (const name of ['issuer', 'authorization_url', 'token_url', 'introspection_url', 'redirect_uri'] as const) {
    const value = values[name];
    if (value !== null && isPlainAcrossNetwork(value))
      at.report.warn(
        placeOf(at, [name], tree.at),
        'insecure',
        `\`${name}\` is plain http to another machine: codes and tokens can be read on the way`,
        'use https://',
      );
  }
  if (values.issuer === null && values.authorization_url === null)
    at.report.warn(
      tree.at,
      'missing_field',
      'no provider is named: nobody can log in',
      'add `issuer: https://…`, or `authorization_url` and `token_url`',
    );
  return {
    enabled: isEnabled,
    issuer: values.issuer,
    clientId: values.client_id,
    clientSecretRef: values.client_secret_ref,
    authorizationUrl: values.authorization_url,
    tokenUrl: values.token_url,
    introspectionUrl: values.introspection_url,
    redirectUri: values.redirect_uri,
    codeChallengeMethod: values.code_challenge_method,
    callback: {
      path: values.callback.path,
      stateTtlMs: values.callback.state_ttl,
      redirectSuccess: values.callback.redirect_success,
      redirectFailure: values.callback.redirect_failure,
    },
    scopes: values.scopes,
    audience: values.audience,
    scopeRoutes: values.scope_routes,
  };
}

const take = (model: OAuth2Settings) => ({
  enabled: model.enabled,
  client_id: model.clientId,
  client_secret_ref: model.clientSecretRef,
  issuer: model.issuer,
  authorization_url: model.authorizationUrl,
  token_url: model.tokenUrl,
  introspection_url: model.introspectionUrl,
  redirect_uri: model.redirectUri,
  code_challenge_method: model.codeChallengeMethod,
  callback: {
    path: model.callback.path,
    state_ttl: model.callback.stateTtlMs,
    redirect_success: model.callback.redirectSuccess,
    redirect_failure: model.callback.redirectFailure,
  },
  scopes: model.scopes,
  audience: model.audience,
  scope_routes: model.scopeRoutes,
});

export const OAUTH2: Block<OAuth2Settings> = block({
  title: '`fluxgate.auth.oauth2`',
  about: 'Logins with an OAuth 2.0 / OpenID Connect provider. Replaced as a whole when a file gives it.',
  fields: {
    enabled: defaulted(flag, true, 'Every route that names no authentication of its own takes these logins.'),
    ...fields,
  } satisfies Fields,
  foreign: FOREIGN,
  build: (values, at, tree) => build(values, values.enabled, at, tree),
  take,
});

export const ROUTE_OAUTH2: Block<OAuth2Settings> = block({
  title: '`oauth2`',
  about: 'Logins on this route, with a client of its own.',
  fields,
  foreign: { ...FOREIGN, enabled: 'a middleware in the list is always on: remove this line, or the whole entry' },
  build: (values, at, tree) => build(values, true, at, tree),
  take: (model) => {
    const { enabled: _always, ...values } = take(model);
    return values;
  },
});
