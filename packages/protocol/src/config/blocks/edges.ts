import {
  type CorsSpec,
  type EdgeLimits,
  formatSize,
  type HeaderChanges,
  headerChangeProblem,
  headerValueProblem,
  parseSize,
  type RequestChanges,
  readOrigin,
  type WebSocketSpec,
} from '@fluxgate/policy';
import { host, pathPrefix } from '../addresses.ts';
import { method } from '../names.ts';
import { quoted } from '../report.ts';
import { type Block, block, defaulted, fieldName, group, optional, pathText, placeOf, type ValueType } from '../schema.ts';
import { duration, flag, integer, listOf, mapOf, oneOf, orWord, rate, text, upTo, wantScalar } from '../values.ts';

/** What happens at the edges of a route: browsers, sizes, headers, paths, streams. */

export const size = (minBytes: number, maxBytes: number): ValueType<number> => ({
  label: 'size',
  read: (tree, at) => {
    const found = wantScalar(tree, at, 'size');
    if (found === undefined) return undefined;
    const parsed = parseSize(found.source);
    if (!parsed.ok) {
      at.report.error(tree.at, 'bad_unit', `\`${pathText(at)}\`: ${parsed.why}`, `\`${fieldName(at)}: …\`: ${parsed.remedy}`);
      return undefined;
    }
    if (parsed.value >= minBytes && parsed.value <= maxBytes) return parsed.value;
    const bound = parsed.value < minBytes ? `at least ${formatSize(minBytes)}` : `at most ${formatSize(maxBytes)}`;
    at.report.error(tree.at, 'bad_value', `\`${pathText(at)}\` is ${bound}, not ${found.source}`, null);
    return undefined;
  },
  write: (value) => formatSize(value),
});
const TIB = 1024 ** 4;
const bodySize = size(0, TIB);

const origin: ValueType<string> = text({
  label: 'origin',
  charsMax: 300,
  check: (value) => {
    const reading = readOrigin(value);
    return reading.ok ? null : { why: reading.why, remedy: reading.remedy };
  },
  canonical: (value) => {
    const reading = readOrigin(value);
    return reading.ok ? reading.value : value;
  },
});

/** Names that a page may send or read; case means nothing, so they are kept as written. */
const fieldNames = listOf(
  text({
    label: 'header name',
    charsMax: 100,
    check: (value) =>
      /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value) && value !== '*'
        ? null
        : value === '*'
          ? { why: 'any header is what holds without the field', remedy: 'leave the field out' }
          : { why: 'it is no header name', remedy: '`Content-Type`' },
  }),
  { max: 100, isLoneAllowed: true },
);

export const CORS: Block<CorsSpec> = block({
  title: '`cors`',
  example: '`cors: { origins: ["https://app.example.com"] }`',
  about: 'Pages of other origins may call the route. A preflight is answered by the gateway, before authentication.',
  fields: {
    origins: defaulted(
      orWord('*', listOf(origin, { whyNotEmpty: 'no page could call', max: 200, isLoneAllowed: true })),
      '*' as readonly string[] | '*',
      'Origins of the pages that may call; `https://*.example.com` for every name below.',
      { example: '["https://app.example.com"]' },
    ),
    methods: optional(
      listOf(method, { isLoneAllowed: true, max: 32, whyNotEmpty: 'no page could call' }),
      'Methods a page may use.',
      {
        example: '[GET, POST]',
        defaultText: 'those of the route',
      },
    ),
    headers: optional(fieldNames, 'Request headers a page may send.', {
      example: '[Content-Type, X-FluxGate-API-Key]',
      defaultText: 'whatever it asks for',
    }),
    expose: defaulted(fieldNames, [], 'Response headers a page may read.', { example: '[RateLimit, Retry-After]' }),
    credentials: defaulted(flag, false, 'Cookies and client certificates may come along; never with `origins: "*"`.'),
    max_age: defaulted(duration(0, upTo(1)), 600_000, 'How long a browser may remember the answer to a preflight.'),
  },
  foreign: {
    origin: 'write `origins`',
    allowed_origins: 'write `origins`',
    allow_origins: 'write `origins`',
    allow_methods: 'write `methods`',
    allow_headers: 'write `headers`',
    allowed_headers: 'write `headers`',
    exposed_headers: 'write `expose`',
    allow_credentials: 'write `credentials: true`',
    preflight_continue: 'the gateway answers preflights itself; remove the line',
  },
  build: (values, at, tree) => {
    if (values.origins === '*' && values.credentials)
      at.report.error(
        placeOf(at, ['credentials'], tree.at),
        'insecure',
        'any page on the web could act with the cookies of whoever looks at it: `credentials` does not go with `origins: "*"`',
        'name the origins, or remove `credentials`',
      );
    return {
      origins: values.origins,
      methods: values.methods,
      headers: values.headers,
      expose: values.expose,
      credentials: values.credentials,
      maxAgeMs: values.max_age,
    };
  },
  take: (model) => ({
    origins: model.origins,
    methods: model.methods,
    headers: model.headers,
    expose: model.expose,
    credentials: model.credentials,
    max_age: model.maxAgeMs,
  }),
});

const headerName = (direction: 'request' | 'response', change: 'set' | 'add' | 'remove'): ValueType<string> =>
  text({ label: 'header name', charsMax: 100, check: (value) => headerChangeProblem(value, direction, change) });
const headerValue: ValueType<string> = text({ label: 'header value', charsMax: 4096, check: headerValueProblem });

const changes = (direction: 'request' | 'response') => ({
  set: defaulted(
    mapOf(headerName(direction, 'set'), headerValue, 'map of header → text'),
    {},
    'These headers, in place of whatever was there.',
    { example: '{ X-Api-Version: "2" }' },
  ),
  add: defaulted(
    mapOf(headerName(direction, 'add'), headerValue, 'map of header → text'),
    {},
    'These headers, beside what was there.',
    { example: '{ X-Via: gateway }' },
  ),
  remove: defaulted(
    listOf(headerName(direction, 'remove'), { isLoneAllowed: true, max: 100 }),
    [],
    'Headers that go no further.',
    {
      example: '[Cookie]',
    },
  ),
});

/** One field changed in two ways: the order would decide, and there is none. */
function judgeTwice(values: HeaderChanges, at: Parameters<Block<unknown>['read']>[1], tree: Parameters<typeof placeOf>[2]): void {
  const seen = new Map<string, string>();
  const places: [string, string][] = [
    ...Object.keys(values.set).map((name): [string, string] => ['set', name]),
    ...Object.keys(values.add).map((name): [string, string] => ['add', name]),
    ...values.remove.map((name): [string, string] => ['remove', name]),
  ];
  for (const [change, name] of places) {
    const plain = name.toLowerCase();
    const first = seen.get(plain);
    if (first !== undefined)
      at.report.error(
        placeOf(at, [change, name], placeOf(at, [change], tree)),
        'conflict',
        `${quoted(name)} stands in \`${first}\` and in \`${change}\``,
        'keep one: `set` already takes the place of what was there',
      );
    seen.set(plain, change);
  }
}

const upstreamHost = orWord('preserve', orWord('upstream', host)) as ValueType<string>;

export const REQUEST: Block<RequestChanges> = block({
  title: '`request`',
  example: '`request: { strip_prefix: true }`',
  about: 'What is changed before a request goes upstream. Framing, forwarding and identity headers cannot be changed.',
  fields: {
    ...changes('request'),
    strip_prefix: defaulted(flag, false, "The route's own prefix is cut off: `/api/v2/orders/7` goes upstream as `/7`."),
    rewrite_prefix: optional(pathPrefix, "This path in place of the route's prefix.", { example: '/v2' }),
    host: defaulted(
      { ...upstreamHost, label: '`preserve` | `upstream` | host' },
      'preserve',
      'Host that the upstream sees: the one the client named, that of the target, or this one.',
    ),
  },
  foreign: {
    headers: 'write `set`, `add` and `remove`',
    replace: 'write `set`',
    rename: 'write `set` and `remove`',
    append: 'write `add`',
    strip_path: 'write `strip_prefix: true`',
    rewrite: 'write `rewrite_prefix: /path`',
    path: 'write `rewrite_prefix: /path`',
    preserve_host: 'write `host: preserve`',
    body: 'bodies are not changed, only forwarded',
  },
  build: (values, at, tree) => {
    judgeTwice(values, at, tree.at);
    if (values.strip_prefix && values.rewrite_prefix !== null)
      at.report.error(
        placeOf(at, ['strip_prefix'], tree.at),
        'conflict',
        '`strip_prefix` and `rewrite_prefix` both say what becomes of the prefix',
        'keep one: `rewrite_prefix: /` cuts it off, too',
      );
    return {
      set: values.set,
      add: values.add,
      remove: values.remove,
      stripPrefix: values.strip_prefix,
      rewritePrefix: values.rewrite_prefix,
      host: values.host,
    };
  },
  take: (model) => ({
    set: model.set,
    add: model.add,
    remove: model.remove,
    strip_prefix: model.stripPrefix,
    rewrite_prefix: model.rewritePrefix,
    host: model.host,
  }),
});

export const RESPONSE: Block<HeaderChanges> = block({
  title: '`response`',
  example: '`response: { remove: [Server] }`',
  about: 'What is changed in answers of the upstream.',
  fields: changes('response'),
  foreign: { headers: 'write `set`, `add` and `remove`', status: 'a status is not changed, only passed on' },
  build: (values, at, tree) => {
    judgeTwice(values, at, tree.at);
    return values;
  },
  take: (model) => ({ set: model.set, add: model.add, remove: model.remove }),
});

export const BODY = group({
  title: '`body`',
  example: '`body: { max: 10MiB }`',
  about: 'Bounds of request bodies.',
  fields: {
    max: optional(bodySize, 'A larger one is refused (413), before anything is forwarded where its length is announced.', {
      example: '10MiB',
      defaultText: '`fluxgate.limits.body`',
    }),
  },
  foreign: { limit: 'write `max`', max_size: 'write `max`', size: 'write `max`' },
});

export const WEBSOCKET: Block<WebSocketSpec> = block({
  title: '`websocket`',
  example: '`websocket: { idle: 5m }`',
  about: 'Bounds of upgraded connections.',
  fields: {
    idle: defaulted(duration(1000, upTo(30)), 300_000, 'Longest silence, both ways.'),
    lifetime: defaulted(duration(1000, upTo(365)), 86_400_000, 'Longest life.'),
  },
  foreign: { timeout: 'write `idle`', max_age: 'write `lifetime`' },
  build: (values) => ({ idleMs: values.idle, lifetimeMs: values.lifetime }),
  take: (model) => ({ idle: model.idleMs, lifetime: model.lifetimeMs }),
});

export const LIMITS: Block<EdgeLimits> = block({
  title: '`fluxgate.limits`',
  about: 'Bounds that hold for every request.',
  fields: {
    address: optional(rate, 'Requests of one client address before anything is authenticated; IPv6 counts by /64.', {
      example: '200/s',
      defaultText: 'no limit',
    }),
    address_burst: optional(integer(1, 1_000_000_000, 'whole number from 1'), 'How many of them may come at once.', {
      example: '400',
      defaultText: 'the count of `address`',
    }),
    body: optional(bodySize, 'Largest request body, where a route says nothing else.', { example: '10MiB', defaultText: '1GiB' }),
    head: optional(size(1024, 1024 ** 2), 'Largest head of a request: request line and headers.', {
      example: '32KiB',
      defaultText: '32KiB',
    }),
  },
  foreign: {
    rate: 'write `address: 200/s`',
    ip: 'write `address: 200/s`',
    burst: 'write `address_burst`',
    max_body: 'write `body: 10MiB`',
    headers: 'write `head: 32KiB`',
  },
  build: (values, at, tree) => {
    if (values.address === null && values.address_burst !== null)
      at.report.error(
        placeOf(at, ['address_burst'], tree.at),
        'missing_field',
        '`address_burst` says how many requests may come at once, and no `address` says how many may come',
        '`address: 200/s`',
      );
    return {
      address: values.address === null ? null : { rate: values.address, burst: values.address_burst ?? values.address.limit },
      bodyBytes: values.body,
      headBytes: values.head,
    };
  },
  take: (model) => ({
    address: model.address?.rate ?? null,
    address_burst: model.address === null || model.address.burst === model.address.rate.limit ? null : model.address.burst,
    body: model.bodyBytes,
    head: model.headBytes,
  }),
});

export const proxyProtocol = oneOf(['off', 'v1', 'v2', 'any']);
export const clientCerts = oneOf(['off', 'optional', 'required'], (given) =>
  /^(require|mandatory|verify|on|true|yes)$/i.test(given) ? { why: 'the word here is `required`', remedy: '`required`' } : null,
);
