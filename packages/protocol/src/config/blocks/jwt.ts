import { type JwtSettings, TOKEN_PRESETS } from '@fluxgate/policy';
import { isPlainAcrossNetwork, url } from '../addresses.ts';
import type { Place } from '../input.ts';
import { algorithm, claimName, identityHeader, mediaType, scope } from '../names.ts';
import { quoted } from '../report.ts';
import { type Block, block, type Cursor, defaulted, optional, placeOf, required, requiredOrNull } from '../schema.ts';
import { duration, flag, listOf, mapOf, oneOf, upTo, words } from '../values.ts';

const DEFAULT_ALGORITHMS = ['RS256', 'ES256', 'ES384'];
const HOUR_MS = 3_600_000;

/** The same fields, globally (in `validation` or flat) and on a route (flat): a block for each, with its own default leeway. */
const claims = (clockSkewMs: number) => ({
  issuer: requiredOrNull(url, 'Who must have issued the token (`iss`), compared exactly.', {
    example: 'https://auth.example.com',
  }),
  audience: required(
    listOf(words(500), { isLoneAllowed: true, max: 50, whyNotEmpty: 'a token made for another service would pass' }),
    'For whom the token must be meant (`aud`); one of a list is enough.',
    { example: 'orders-api' },
  ),
  algorithms: defaulted(
    listOf(algorithm, { isLoneAllowed: true, max: 10, whyNotEmpty: 'no token could ever pass' }),
    DEFAULT_ALGORITHMS,
    'Signature algorithms that are believed; asymmetric only.',
    { aliases: ['algorithm'], example: 'RS256' },
  ),
  required_claims: defaulted(listOf(claimName, { max: 50 }), [], 'Claims that must be present.', { example: '[sub, exp]' }),
  required_scopes: defaulted(listOf(scope, { max: 100, isLoneAllowed: true }), [], 'Scopes the token must hold, all of them.', {
    example: '["read:orders"]',
  }),
  clock_skew: defaulted(duration(0, HOUR_MS), clockSkewMs, 'How far the clocks may differ when `exp` and `nbf` are judged.', {
    aliases: ['clockSkewTolerance', 'clock_skew_tolerance'],
    example: '60s',
    defaultText: `${clockSkewMs / 1000}s`,
  }),
  claims_to_headers: defaulted(
    mapOf(claimName, identityHeader, 'map of claim → header'),
    {},
    'Claims sent upstream as headers; what a caller sends under these names is removed.',
    {
      example: '{ sub: X-User-Id }',
    },
  ),
  preset: defaulted(
    oneOf(Object.keys(TOKEN_PRESETS)),
    'standard',
    'Whose tokens these are: where this provider keeps scopes and audience. `standard` is RFC 9068.',
    { aliases: ['provider'], example: 'keycloak' },
  ),
  claims_to_scopes: defaulted(
    listOf(claimName, { max: 20, isLoneAllowed: true }),
    [],
    'Claims that hold scopes, a text of words or a list; empty: those of the preset.',
    { aliases: ['scope_claims'], example: '[scope, realm_access.roles]' },
  ),
  typ: defaulted(
    listOf(mediaType, { max: 10, isLoneAllowed: true }),
    [],
    'Types of token (`typ`) that are taken; empty: none, `JWT` or `at+jwt`.',
    { example: 'at+jwt' },
  ),
  max_lifetime: optional(duration(1000, upTo(3650)), 'Longest time between `iat` and `exp` that is believed.', {
    example: '1h',
    defaultText: 'any',
  }),
});

const keys = {
  jwks_uri: optional(url, 'Where the issuer publishes its keys.', {
    example: 'https://auth.example.com/.well-known/jwks.json',
    defaultText: "from the issuer's metadata",
  }),
  cache_ttl: defaulted(duration(1000, upTo(1)), 300_000, 'How long fetched keys are used before they are fetched again.', {
    example: '300s',
    defaultText: '300s',
  }),
};

const FOREIGN = {
  iss: 'write `issuer`',
  aud: 'write `audience`',
  jwks_url: 'write `jwks_uri`',
  secret: 'tokens are checked with public keys only: `jwks_uri`',
  key: 'keys come from the issuer: `jwks_uri`',
  public_key: 'keys come from the issuer: `jwks_uri`',
  jwks: 'write `jwks_uri`, the URL of the key set',
  leeway: 'write `clock_skew`',
  alg: 'write `algorithms`',
  scopes: 'write `required_scopes`',
  scope: 'write `required_scopes`',
  claims_to_verify: '`exp` and `nbf` are always judged; others that must be present go into `required_claims`',
  verify_expiration: '`exp` and `nbf` are always judged; remove the line',
  header: 'tokens come as `Authorization: Bearer …`; remove the line',
};

const build = (values: Omit<ReturnType<typeof take>, 'enabled'>, isEnabled: boolean): JwtSettings => ({
  enabled: isEnabled,
  issuer: values.issuer,
  audience: values.audience,
  jwksUri: values.jwks_uri,
  cacheTtlMs: values.cache_ttl,
  requiredClaims: values.required_claims,
  requiredScopes: values.required_scopes,
  clockSkewMs: values.clock_skew,
  algorithms: values.algorithms,
  claimsToHeaders: values.claims_to_headers,
  preset: values.preset,
  claimsToScopes: values.claims_to_scopes,
  typ: values.typ,
  maxLifetimeMs: values.max_lifetime,
});

const take = (model: JwtSettings) => ({
  enabled: model.enabled,
  issuer: model.issuer,
  audience: model.audience,
  algorithms: model.algorithms,
  required_claims: model.requiredClaims,
  required_scopes: model.requiredScopes,
  clock_skew: model.clockSkewMs,
  claims_to_headers: model.claimsToHeaders,
  preset: model.preset,
  claims_to_scopes: model.claimsToScopes,
  typ: model.typ,
  max_lifetime: model.maxLifetimeMs,
  jwks_uri: model.jwksUri,
  cache_ttl: model.cacheTtlMs,
});

/** Rules that need two fields at once. */
function judge(jwt: JwtSettings, at: Cursor, place: Place): void {
  for (const [name, value] of Object.entries({ issuer: jwt.issuer, jwks_uri: jwt.jwksUri }))
    if (value !== null && isPlainAcrossNetwork(value))
      at.report.warn(
        placeOf(at, [name], place),
        'insecure',
        `\`${name}\` is plain http to another machine: who sits between can replace the keys`,
        'use https://',
      );
  const headers = new Set<string>();
  for (const [claim, header] of Object.entries(jwt.claimsToHeaders)) {
    if (headers.has(header.toLowerCase()))
      at.report.error(
        placeOf(at, ['claims_to_headers', claim], place),
        'conflict',
        `two claims are sent as ${quoted(header)}`,
        'one header per claim',
      );
    headers.add(header.toLowerCase());
  }
}

const GLOBAL_CLAIMS = claims(120_000);

export const JWT: Block<JwtSettings> = block({
  title: '`fluxgate.auth.jwt`',
  about: 'Bearer tokens of an issuer. Replaced as a whole when a file gives it.',
  fields: {
    enabled: defaulted(flag, true, 'Every route that names no authentication of its own takes these tokens.'),
    ...keys,
    ...GLOBAL_CLAIMS,
  },
  hoist: { key: 'validation', fields: Object.keys(GLOBAL_CLAIMS), isWritten: true },
  foreign: FOREIGN,
  build: (values, at, tree) => {
    const jwt = build(values, values.enabled);
    judge(jwt, at, tree.at);
    return jwt;
  },
  take,
});

const ROUTE_CLAIMS = claims(60_000);
const { issuer, audience, ...otherClaims } = ROUTE_CLAIMS;

export const ROUTE_JWT: Block<JwtSettings> = block({
  title: '`jwt`',
  about: 'Bearer tokens on this route, of an issuer of its own.',
  fields: { issuer, audience, ...keys, ...otherClaims },
  hoist: { key: 'validation', fields: Object.keys(ROUTE_CLAIMS), isWritten: false },
  foreign: { ...FOREIGN, enabled: 'a middleware in the list is always on: remove this line, or the whole entry' },
  build: (values, at, tree) => {
    const jwt = build(values, true);
    judge(jwt, at, tree.at);
    return jwt;
  },
  take: (model) => {
    const { enabled: _always, ...values } = take(model);
    return values;
  },
});
