import { DEFAULT_SIGNATURE_AGE_MS, type Middleware } from '@fluxgate/policy';
import { cidrOrEndpoint, VPC_ENDPOINT } from '../addresses.ts';
import { coverable, queryParameter, scope } from '../names.ts';
import { nearest, quoted } from '../report.ts';
import { type Block, block, defaulted, optional, type Plain, pathText, step, type ValueType, type Wording } from '../schema.ts';
import type { Entry, Tree } from '../tree.ts';
import { duration, listOf, oneOf } from '../values.ts';
import { ROUTE_JWT } from './jwt.ts';
import { RATE_LIMIT } from './limits.ts';
import { ROUTE_OAUTH2 } from './oauth2.ts';

export type MiddlewareKind = Middleware['kind'];
export type MiddlewareOf<K extends MiddlewareKind> = Extract<Middleware, { kind: K }>;

export const ROUTE_API_KEY: Block<MiddlewareOf<'api_key'>> = block({
  title: '`api_key`',
  about: 'An API key, presented as `fluxgate.auth.api_key` says.',
  fields: {
    scopes: defaulted(listOf(scope, { max: 100, isLoneAllowed: true }), [], 'Scopes the key must hold, all of them.', {
      example: '["read:metrics"]',
    }),
    query_parameter: optional(
      queryParameter,
      'Query parameter in which a key may also come. URLs end up in logs: prefer the header.',
      { example: 'api_key' },
    ),
    signature: defaulted(
      oneOf(['off', 'required'], (given) =>
        /^optional|preferred$/i.test(given)
          ? { why: 'a signature that may be left out protects nothing', remedy: '`required`' }
          : null,
      ),
      'off',
      '`required`: the request is signed with the key (RFC 9421), the key itself need not be sent, and no request passes twice. See docs/signed-requests.md.',
    ),
    signature_max_age: optional(
      duration(1000, 3_600_000),
      'How old a signature may be. Nonces are remembered for as long: a shorter time takes less memory.',
      { defaultText: '300s' },
    ),
    signature_covers: defaulted(
      listOf(coverable, { max: 32, isLoneAllowed: true }),
      [],
      'What the signature covers besides method, target and the digest of a body: `@scheme`, or header fields, wherever a request has them.',
      { example: '["content-type"]' },
    ),
  },
  foreign: {
    enabled: 'a middleware in the list is always on: remove this line, or the whole entry',
    header_name: 'the header is the same everywhere: `fluxgate: { auth: { api_key: { header_name: … } } }`',
    key_names: 'the header is the same everywhere: `fluxgate: { auth: { api_key: { header_name: … } } }`',
    key_in_query: 'write `query_parameter: api_key`',
    required_scopes: 'write `scopes`',
    validation: 'how keys are validated is said once, in `fluxgate.auth.api_key`',
  },
  build: (values, at, tree): MiddlewareOf<'api_key'> => {
    const { signature, signature_max_age: maxAgeMs, signature_covers: covers } = values;
    const idle = tree.entries.find(({ key }) => key === 'signature_max_age' || key === 'signature_covers');
    if (signature === 'off' && idle !== undefined)
      at.report.error(idle.at, 'conflict', `\`${idle.key}\` without a signature has no meaning`, 'add `signature: required`');
    const key = { kind: 'api_key', scopes: values.scopes, queryParameter: values.query_parameter } as const;
    return signature === 'off' ? key : { ...key, signature: { maxAgeMs: maxAgeMs ?? DEFAULT_SIGNATURE_AGE_MS, covers } };
  },
  take: (model) => ({
    scopes: model.scopes,
    query_parameter: model.queryParameter,
    signature: model.signature === undefined ? ('off' as const) : ('required' as const),
    signature_max_age: model.signature?.maxAgeMs === DEFAULT_SIGNATURE_AGE_MS ? null : (model.signature?.maxAgeMs ?? null),
    signature_covers: model.signature?.covers ?? [],
  }),
});

const ranges = listOf(cidrOrEndpoint, { isLoneAllowed: true, whyNotEmpty: 'nobody could come in' });
const ipAllow: ValueType<MiddlewareOf<'ip_allow'>> = {
  label: 'list of CIDRs and `vpce-…` ids',
  read: (tree, at) => {
    if (tree.kind === 'map') {
      at.report.error(
        tree.at,
        'wrong_type',
        `\`${pathText(at)}\` is a list`,
        '`ip_allow: ["10.0.4.0/24"]`; there is no deny list',
      );
      return undefined;
    }
    const all = ranges.read(tree, at);
    return (
      all && {
        kind: 'ip_allow',
        cidrs: all.filter((one) => !VPC_ENDPOINT.test(one)),
        vpcEndpoints: all.filter((one) => VPC_ENDPOINT.test(one)),
      }
    );
  },
  write: (value) => [...value.cidrs, ...value.vpcEndpoints],
};

const anyOf: ValueType<MiddlewareOf<'any_of'>> = {
  label: 'list of alternatives',
  read: (tree, at) => {
    if (tree.kind === 'list')
      for (const item of tree.items) {
        const inner = item.kind === 'map' ? item.entries.find((entry) => entry.key === 'any_of') : undefined;
        if (inner) at.report.error(inner.at, 'bad_value', '`any_of` stands inside `any_of`', 'list all alternatives in one');
      }
    const of = listOf(middleware, { whyNotEmpty: 'nothing could pass', max: 20 }).read(tree, at);
    return of && { kind: 'any_of', of };
  },
  write: (value, wording) => value.of.map((one) => middleware.write(one, wording)),
};

/** All that is known of each kind of middleware: how it is read, written, and what it does. */
export const MIDDLEWARE: {
  readonly [K in MiddlewareKind]: { readonly about: string; readonly example: string; readonly type: ValueType<Middleware> };
} = {
  api_key: {
    about: 'An API key with these scopes.',
    example: '- api_key: { scopes: ["read:metrics"] }',
    type: typed('api_key', ROUTE_API_KEY),
  },
  jwt: {
    about: 'A bearer token of this issuer.',
    example: '- jwt: { issuer: https://auth.example.com, audience: orders-api }',
    type: inner(
      'jwt',
      ROUTE_JWT,
      (jwt) => ({ kind: 'jwt', jwt }),
      (one) => one.jwt,
    ),
  },
  oauth2: {
    about: 'A login with this provider.',
    example: '- oauth2: { issuer: https://accounts.example.com, client_id: gx_88291a }',
    type: inner(
      'oauth2',
      ROUTE_OAUTH2,
      (oauth2) => ({ kind: 'oauth2', oauth2 }),
      (one) => one.oauth2,
    ),
  },
  ip_allow: {
    about: 'The client address lies in one of these ranges, or came through one of these VPC endpoints.',
    example: '- ip_allow: ["10.0.4.0/24", "vpce-0a1b2c3d4e5f60718"]',
    type: typed('ip_allow', ipAllow),
  },
  rate_limit: {
    about: 'At most so many requests on this route.',
    example: '- rate_limit: { rate: 100/s, burst: 20, by: key }',
    type: typed('rate_limit', RATE_LIMIT),
  },
  any_of: {
    about: 'One of these alternatives passes.',
    example: '- any_of: [{ api_key: {} }, { jwt: {} }]',
    type: typed('any_of', anyOf),
  },
};

const NOT_OFFERED = 'FluxGate has no such middleware; api_key, jwt, oauth2, ip_allow, rate_limit and any_of exist';
const beside = (what: string): string => `it stands beside \`middleware\`, in the route: \`${what}\``;
const FOREIGN_KINDS: Readonly<Record<string, string>> = {
  'key-auth': 'write `api_key`',
  'basic-auth': 'FluxGate checks no passwords: give the caller a key and write `api_key`',
  'rate-limiting': 'write `rate_limit: { rate: 100/s }`',
  'limit-req': 'write `rate_limit: { rate: 100/s }`',
  throttle: 'write `rate_limit: { rate: 100/s }`',
  'ip-restriction': 'write `ip_allow: [CIDR, …]`',
  ip_allowlist: 'write `ip_allow`',
  ip_whitelist: 'write `ip_allow`',
  allow: 'write `ip_allow`',
  'openid-connect': 'write `oauth2`',
  oidc: 'write `oauth2`',
  bearer: 'write `jwt`',
  one_of: 'write `any_of`',
  or: 'write `any_of`',
  all_of: 'all entries of the list must pass: write them one below the other',
  auth: '`auth: none` stands beside `middleware`, not in it',
  cors: beside('cors: { origins: ["https://app.example.com"] }'),
  'request-transformer': beside('request: { set: { … }, remove: [ … ] }'),
  'response-transformer': beside('response: { set: { … }, remove: [ … ] }'),
  'proxy-rewrite': beside('request: { rewrite_prefix: /v2 }'),
  stripprefix: beside('request: { strip_prefix: true }'),
  strip_prefix: beside('request: { strip_prefix: true }'),
  replacepath: beside('request: { rewrite_prefix: /v2 }'),
  headers: beside('request: { set: { … } }` or `response: { set: { … } }'),
  'request-size-limiting': beside('body: { max: 10MiB }'),
  buffering: beside('body: { max: 10MiB }'),
  acl: 'scopes decide that: `api_key: { scopes: [...] }`',
  name: 'an entry is `- kind: { fields }`, for example `- api_key: { scopes: [...] }`',
};

/** One entry of a `middleware` list. */
export const middleware: ValueType<Middleware> = {
  label: 'middleware',
  read: (tree, at) => {
    const entry = onlyEntry(tree, at);
    if (entry === undefined) return undefined;
    const kind = Object.keys(MIDDLEWARE).find((one): one is MiddlewareKind => one === entry.key);
    if (kind === undefined) {
      at.report.error(entry.at, 'unknown_middleware', `there is no middleware ${quoted(entry.key)}`, kindRemedy(entry.key));
      return undefined;
    }
    return MIDDLEWARE[kind].type.read(whenBare(entry), step(at, kind, entry.at));
  },
  write: (value, wording) => new Map([[value.kind, MIDDLEWARE[value.kind].type.write(value, wording)]]),
};

function kindRemedy(given: string): string {
  const foreign = FOREIGN_KINDS[given] ?? FOREIGN_KINDS[given.replaceAll('_', '-')];
  const near = nearest(given, Object.keys(MIDDLEWARE));
  return foreign ?? (near === null ? NOT_OFFERED : `did you mean \`${near}\`?`);
}

/** `- api_key:` with nothing behind it means `- api_key: {}`. */
const whenBare = ({ value, at }: Entry): Tree =>
  value.kind === 'scalar' && value.value === null ? { kind: 'map', at, entries: [] } : value;

function onlyEntry(tree: Tree, at: Parameters<ValueType<unknown>['read']>[1]): Entry | undefined {
  if (tree.kind === 'scalar') {
    const isKind = tree.source in MIDDLEWARE;
    at.report.error(
      tree.at,
      'wrong_type',
      `\`${pathText(at)}\` is a map of one kind and its fields, not ${quoted(tree.source)}`,
      isKind ? `\`- ${tree.source}: {}\`` : kindRemedy(tree.source),
    );
    return undefined;
  }
  const entries = tree.kind === 'map' ? tree.entries : [];
  const named = entries.find((entry) => entry.key === 'name' || entry.key === 'type');
  if (named !== undefined && entries.length > 1) {
    at.report.error(
      named.at,
      'wrong_type',
      `\`${pathText(at)}\` names its kind in a field`,
      '`- api_key: { scopes: [...] }`: the kind is the key, its fields below it',
    );
    return undefined;
  }
  if (entries.length === 1) return entries[0];
  const what = entries.map((entry) => quoted(entry.key)).join(' and ');
  const isIndented = entries.length > 1 && entries[0]!.value.kind === 'scalar' && entries[0]!.value.value === null;
  const remedy = isIndented
    ? 'indent the fields below the kind'
    : 'one entry each, `- ` before every kind: all must pass. Alternatives: `- any_of: [...]`';
  at.report.error(
    entries[1]?.at ?? tree.at,
    'conflict',
    entries.length === 0 ? `\`${pathText(at)}\` names no kind` : `\`${pathText(at)}\` holds ${what}: an entry has one kind`,
    remedy,
  );
  return undefined;
}

function typed<K extends MiddlewareKind>(kind: K, type: ValueType<MiddlewareOf<K>>): ValueType<Middleware> {
  return inner<MiddlewareOf<K>, K>(
    kind,
    type,
    (value) => value,
    (value) => value,
  );
}

function inner<T, K extends MiddlewareKind>(
  kind: K,
  type: ValueType<T>,
  wrap: (value: T) => MiddlewareOf<K>,
  unwrap: (value: MiddlewareOf<K>) => T,
): ValueType<Middleware> {
  const isOfKind = (value: Middleware): value is MiddlewareOf<K> => value.kind === kind;
  return {
    label: type.label,
    read: (tree, at) => {
      const value = type.read(tree, at);
      return value === undefined ? undefined : (wrap(value) as Middleware);
    },
    write: (value: Middleware, wording: Wording): Plain => {
      if (!isOfKind(value)) throw new TypeError(`a middleware of kind ${value.kind} was written as ${kind}`);
      return type.write(unwrap(value), wording);
    },
  };
}

/** Kinds by which a caller proves who it is, also inside `any_of`. */
export const isAuthentication = (one: Middleware): boolean =>
  one.kind === 'any_of' ? one.of.some(isAuthentication) : one.kind === 'api_key' || one.kind === 'jwt' || one.kind === 'oauth2';
