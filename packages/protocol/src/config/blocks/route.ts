import type { RouteSpec } from '@fluxgate/policy';
import { host, pathPrefix, targetUrl } from '../addresses.ts';
import { labelKey, method, objectName } from '../names.ts';
import { type Block, block, defaulted, optional, placeOf, required, section, type ValueType } from '../schema.ts';
import { flag, listOf, mapOf, oneOf, text, wantScalar, words } from '../values.ts';
import { BODY, CORS, REQUEST, RESPONSE, WEBSOCKET } from './edges.ts';
import { isAuthentication, middleware } from './middleware.ts';

/** A name of an upstream, or a URL. */
const upstream: ValueType<NonNullable<RouteSpec['upstream']>> = {
  label: 'upstream name or URL',
  read: (tree, at) => {
    const found = wantScalar(tree, at, 'upstream name or URL');
    if (found === undefined) return undefined;
    if (/:\/\/|\/|^[\w.-]+:\d+$/.test(found.source)) {
      const literal = targetUrl.read(tree, at);
      return literal === undefined ? undefined : { url: literal };
    }
    const name = objectName.read(tree, at);
    return name === undefined ? undefined : { name };
  },
  write: (value) => ('name' in value ? value.name : value.url),
};

const labelValue = text({
  label: 'text',
  charsMax: 255,
  check: (value) => (/\p{Cc}/u.test(value) ? { why: 'it holds a control character', remedy: null } : null),
});

const SEVERAL = 'one document per host: separate documents with ---';

export const ROUTE: Block<RouteSpec> = block({
  title: 'a route',
  about: 'One document per route, separated by `---`. The longest prefix wins; no route: 404.',
  fields: {
    route: required(
      pathPrefix,
      'Path prefix, matched on segment boundaries: `/public` takes `/public` and `/public/x`, not `/publicity`.',
      { example: '/api/v2/orders' },
    ),
    name: optional(objectName, 'Stable name, if not host and prefix. Two routes of one host and prefix need names.', {
      example: 'orders-read',
      defaultText: 'host + prefix',
    }),
    host: optional(host, 'Only requests for this host.', { example: 'api.example.com', defaultText: 'any host' }),
    methods: optional(
      listOf(method, { isLoneAllowed: true, whyNotEmpty: 'the route would take nothing', max: 32 }),
      'Only these methods; others get 405.',
      { example: '[GET, HEAD]', defaultText: 'any method' },
    ),
    upstream: optional(upstream, 'Where requests go. Left out: the route answers 503 `no_upstream`.', { example: 'orders' }),
    auth: defaulted(
      oneOf(['required', 'none'], (given) =>
        /^(false|off|no|public|disabled|anonymous|open)$/i.test(given)
          ? { why: 'the only way to open a route is `auth: none`', remedy: '`auth: none`, if anybody may call it' }
          : null,
      ),
      'required',
      '`none` opens the route to anybody; nothing else does.',
    ),
    middleware: defaulted(
      listOf(middleware, { max: 50, areDuplicatesAllowed: true }),
      [],
      'What a request must pass, all of it. Without an authentication here the enabled global ones are inherited.',
      {
        example: '[{ api_key: { scopes: ["read:metrics"] } }]',
      },
    ),
    cors: optional(CORS, 'Pages of other origins may call the route.', { shows: CORS.fields }),
    body: section(BODY, 'Bounds of request bodies.'),
    request: optional(REQUEST, 'What is changed before a request goes upstream.', { shows: REQUEST.fields }),
    response: optional(RESPONSE, 'What is changed in answers of the upstream.', { shows: RESPONSE.fields }),
    websocket: optional(WEBSOCKET, 'Bounds of upgraded connections.', { shows: WEBSOCKET.fields }),
    server_timing: defaulted(flag, false, 'A `Server-Timing` header tells the client what time the gateway took.'),
    labels: defaulted(mapOf(labelKey, labelValue, 'map of label → text'), {}, 'For people and selectors; decides nothing.', {
      example: '{ team: payments }',
    }),
    owner: optional(words(200), 'Who answers for the route.', { example: 'team-payments' }),
  },
  foreign: {
    path: 'write `route: /path`',
    paths: 'one document per prefix: `route: /path`',
    prefix: 'write `route: /path`',
    uri: 'write `route: /path`',
    match: 'write `route: /path`, `host:` and `methods:`',
    hosts: SEVERAL,
    method: 'write `methods: [GET]`',
    service: 'write `upstream: name`',
    backend: 'write `upstream: name`',
    target: 'write `upstream: URL`',
    url: 'write `upstream: URL`',
    proxy_pass: 'write `upstream: URL`',
    to: 'write `upstream: name`',
    plugins: 'write `middleware`',
    policies: 'write `middleware`',
    filters: 'write `middleware`',
    strip_path: 'write `request: { strip_prefix: true }`',
    strip_prefix: 'write `request: { strip_prefix: true }`',
    rewrite: 'write `request: { rewrite_prefix: /path }`',
    rewrite_prefix: 'write `request: { rewrite_prefix: /path }`',
    preserve_host: 'write `request: { host: preserve }`',
    headers: 'write `request: { set: { … } }` or `response: { set: { … } }`',
    max_body_size: 'write `body: { max: 10MiB }`',
    allowed_origins: 'write `cors: { origins: [ … ] }`',
    tags: 'write `labels: { key: value }`',
    id: 'write `name`',
    protocols: 'listeners decide that; remove the line',
    api_key: 'a middleware stands in the list: `middleware: [{ api_key: { … } }]`',
    jwt: 'a middleware stands in the list: `middleware: [{ jwt: { … } }]`',
    oauth2: 'a middleware stands in the list: `middleware: [{ oauth2: { … } }]`',
    rate_limit: 'a middleware stands in the list: `middleware: [{ rate_limit: { … } }]`',
    ip_allow: 'a middleware stands in the list: `middleware: [{ ip_allow: [ … ] }]`',
    scopes: 'scopes stand at the credential: `middleware: [{ api_key: { scopes: [...] } }]`',
    tier: "a key's tier follows from its scopes; remove the line",
    timeout: 'timeouts belong to the upstream',
    fluxgate: 'a document is either a gateway document or a route: put `---` between them',
    upstreams: 'a document is either a gateway document or a route: put `---` between them',
    tiers: 'a document is either a gateway document or a route: put `---` between them',
    listeners: 'a document is either a gateway document or a route: put `---` between them',
    version: '`version` stands in a gateway document: put `---` between them',
  },
  build: (values, at, tree) => {
    const contradiction = values.auth === 'none' ? values.middleware.findIndex(isAuthentication) : -1;
    if (contradiction >= 0)
      at.report.error(
        placeOf(at, ['auth'], tree.at),
        'conflict',
        `\`auth: none\` opens the route, and \`middleware[${contradiction}]\` asks for a credential`,
        'remove one of the two',
      );
    return {
      name: values.name ?? `${values.host ?? ''}${values.route}`,
      prefix: values.route,
      host: values.host,
      methods: values.methods,
      upstream: values.upstream,
      auth: values.auth,
      middleware: values.middleware,
      cors: values.cors,
      bodyMaxBytes: values.body.max,
      request: values.request,
      response: values.response,
      websocket: values.websocket,
      serverTiming: values.server_timing,
      labels: values.labels,
      owner: values.owner,
    };
  },
  take: (model) => ({
    route: model.prefix,
    name: model.name === `${model.host ?? ''}${model.prefix}` ? null : model.name,
    host: model.host,
    methods: model.methods,
    upstream: model.upstream,
    auth: model.auth,
    middleware: model.middleware,
    cors: model.cors,
    body: { max: model.bodyMaxBytes },
    request: model.request,
    response: model.response,
    websocket: model.websocket,
    server_timing: model.serverTiming,
    labels: model.labels,
    owner: model.owner,
  }),
});
