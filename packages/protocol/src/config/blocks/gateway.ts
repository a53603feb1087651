import type { Listener, RealmConfig, Settings, TierSpec, UpstreamSpec } from '@fluxgate/policy';
import { cidr, isPlainAcrossNetwork, listenAddress, url } from '../addresses.ts';
import type { ConfigInput } from '../input.ts';
import { nodeFile, objectName } from '../names.ts';
import { quoted } from '../report.ts';
import { type Block, block, defaulted, group, optional, placeOf, required, type ValueType } from '../schema.ts';
import { listOf, readPairs } from '../values.ts';
import { API_KEY } from './api-key.ts';
import { clientCerts, LIMITS, proxyProtocol } from './edges.ts';
import { JWT } from './jwt.ts';
import { TIER } from './limits.ts';
import { OAUTH2 } from './oauth2.ts';
import { UPSTREAM } from './upstream.ts';

const CERTIFICATE = group({
  title: 'a certificate',
  label: '`{ cert, key }`',
  about: 'A certificate chain and its key.',
  fields: {
    cert: required(nodeFile, 'Certificate chain, PEM; a file of the node, below its `FLUXGATE_TLS_DIR`.', {
      example: '"file:server.pem"',
    }),
    key: required(nodeFile, 'Its private key, PEM.', { example: '"file:server.key"' }),
  },
  foreign: { certificate: 'write `cert`', private_key: 'write `key`, a reference' },
});

export const LISTENER: Block<Listener> = block({
  title: 'a listener',
  label: 'listener',
  about: 'Where the gateway listens. Without any: `FLUXGATE_GATEWAY_PORT` on loopback.',
  fields: {
    address: required(listenAddress, 'Address and port.', { example: '0.0.0.0:8443' }),
    tls: defaulted(listOf(CERTIFICATE, { max: 1000 }), [], 'Certificates, chosen by server name. Without any: plain HTTP.', {
      example: '[{ cert: "file:…", key: "file:…" }]',
    }),
    client_ca: optional(nodeFile, 'Authorities whose client certificates are believed, PEM.', { example: '"file:clients.pem"' }),
    client_certs: defaulted(
      clientCerts,
      'off',
      'Whether clients are asked for a certificate; what it says goes upstream as `X-FluxGate-Client-Cert-…`.',
    ),
    proxy_protocol: defaulted(
      proxyProtocol,
      'off',
      'PROXY protocol expected from the load balancer in front, which must be one of `trusted_proxies`; anybody else is turned away.',
    ),
  },
  foreign: {
    port: 'write `address: 0.0.0.0:8443`',
    host: 'write `address: 0.0.0.0:8443`',
    bind: 'write `address`',
    cert: 'write `tls: [{ cert: …, key: … }]`',
  },
  build: (values, at, tree) => {
    const { client_certs: wanted } = values;
    if (wanted !== 'off' && values.client_ca === null)
      at.report.error(
        placeOf(at, ['client_certs'], tree.at),
        'missing_field',
        'nobody says whose client certificates are believed',
        '`client_ca: "file:clients.pem"`',
      );
    if (wanted !== 'off' && values.tls.length === 0)
      at.report.error(
        placeOf(at, ['client_certs'], tree.at),
        'conflict',
        'client certificates come with TLS, and this listener has none',
        'add `tls: [{ cert: …, key: … }]`, or remove `client_certs`',
      );
    if (wanted === 'off' && values.client_ca !== null)
      at.report.error(
        placeOf(at, ['client_ca'], tree.at),
        'conflict',
        '`client_ca` is given, and no client is asked for a certificate',
        '`client_certs: required` or `client_certs: optional`',
      );
    return {
      address: values.address,
      tls: values.tls,
      clientCa: values.client_ca,
      clientCerts: wanted,
      proxyProtocol: values.proxy_protocol,
    };
  },
  take: (model) => ({
    address: model.address,
    tls: model.tls,
    client_ca: model.clientCa,
    client_certs: model.clientCerts,
    proxy_protocol: model.proxyProtocol,
  }),
});

export const AUTH = group({
  title: '`fluxgate.auth`',
  about: 'Authentication that routes inherit.',
  fields: {
    api_key: optional(API_KEY, 'API keys.'),
    jwt: optional(JWT, 'Bearer tokens.'),
    oauth2: optional(OAUTH2, 'Logins.'),
  },
  foreign: {
    apikey: 'write `api_key`',
    'api-key': 'write `api_key`',
    key_auth: 'write `api_key`',
    oidc: 'write `oauth2`',
    basic: 'FluxGate checks no passwords',
    none: 'a route is opened in its own document: `auth: none`',
  },
});

const AT_THE_TOP = 'it stands at the top of the document, beside `fluxgate:`: remove the indentation';

/** Only what a file gives; null: not given. */
export const FLUXGATE = block({
  title: '`fluxgate`',
  about: 'Settings of the realm.',
  fields: {
    public_url: optional(url, 'What callbacks are built from; never the Host header.', { example: 'https://app.example.com' }),
    trusted_proxies: optional(listOf(cidr), "Whose `X-Forwarded-For` and PROXY protocol are believed; nobody's by default.", {
      example: '["10.0.0.0/8"]',
      defaultText: '[]',
    }),
    auth: optional(AUTH, 'Authentication that routes inherit.', { shows: AUTH.fields }),
    limits: optional(LIMITS, 'Bounds that hold for every request; replaced as a whole.', { shows: LIMITS.fields }),
  },
  foreign: {
    api_key: 'it belongs one level down: `auth: { api_key: … }`',
    jwt: 'it belongs one level down: `auth: { jwt: … }`',
    oauth2: 'it belongs one level down: `auth: { oauth2: … }`',
    upstreams: AT_THE_TOP,
    tiers: AT_THE_TOP,
    listeners: AT_THE_TOP,
    version: AT_THE_TOP,
    routes: 'one document per route: `---`, then `route: /path`',
  },
  build: (values, at, tree) => {
    values.trusted_proxies?.forEach((range, index) => {
      if (/\/0$/.test(range))
        at.report.warn(
          placeOf(at, ['trusted_proxies', index], tree.at),
          'insecure',
          `${quoted(range)} trusts everybody: any client can pretend to have any address`,
          'name only the load balancers in front',
        );
    });
    if (values.public_url !== null && isPlainAcrossNetwork(values.public_url))
      at.report.warn(
        placeOf(at, ['public_url'], tree.at),
        'insecure',
        '`public_url` is plain http: session cookies would travel in clear',
        'use https://',
      );
    return values;
  },
  take: (values) => values,
});

/** A map of names → block, in document order, as a list of objects with a `name`. */
function named<T extends { readonly name: string }>(
  type: Block<Omit<T, 'name'>>,
  label: string,
  join: (name: string, value: Omit<T, 'name'>) => T,
): ValueType<readonly T[]> {
  return {
    label,
    read: (tree, at) => readPairs(objectName, type, tree, at)?.map(([name, value]) => join(name, value)),
    write: (objects, wording) => new Map(objects.map((one) => [one.name, type.write(one, wording)])),
  };
}

const version: ValueType<number> = {
  label: '`1`',
  read: (tree, at) => {
    if (tree.kind === 'scalar' && tree.value === 1) return 1;
    at.report.error(tree.at, 'bad_value', '`version` is 1, the only version of this format', '`version: 1`');
    return undefined;
  },
  write: (value) => value,
};

export const GATEWAY = group({
  title: 'a gateway document',
  about: 'Any number of gateway documents; each says part of the whole. What no file mentions stays as it is.',
  fields: {
    version: optional(version, 'Version of the format.', { example: '1' }),
    fluxgate: optional(FLUXGATE, 'Settings of the realm.'),
    listeners: optional(listOf(LISTENER, { max: 100 }), 'Where the gateway listens; replaced as a whole.', {
      example: '[{ address: 0.0.0.0:8443 }]',
      defaultText: '`FLUXGATE_GATEWAY_PORT` on loopback',
    }),
    upstreams: optional(
      named<UpstreamSpec>(UPSTREAM, 'map of name → upstream', (name, value) => ({ name, ...value })),
      'Services behind the gateway, by name.',
      { example: '{ orders: { targets: ["http://127.0.0.1:9001"] } }' },
    ),
    tiers: optional(
      named<TierSpec>(TIER, 'map of name → tier', (name, value) => ({ name, ...value })),
      'Rates of keys by scope, the first that matches; replaced as a whole, because the order decides.',
      { example: '{ production: { scope: "env:production", rate: 5000/min } }' },
    ),
  },
  foreign: {
    auth: 'it belongs under `fluxgate:`; `auth: none` belongs to a route document',
    public_url: 'it belongs under `fluxgate:`',
    trusted_proxies: 'it belongs under `fluxgate:`',
    routes: 'one document per route: `---`, then `route: /path`',
    upstream: 'write `upstreams:` here, or start a route document with `route: /path`',
    middleware: 'it belongs to a route: start the document with `route: /path`',
    services: 'write `upstreams:`, and one route document per path',
    plugins: 'write `middleware` in a route document, or `fluxgate: { auth: … }` for all routes',
    consumers: 'keys are made by `fluxctl keys generate`, never in a file',
    _format_version: 'this is a file of Kong; a FluxGate file has `version: 1`, `upstreams:` and one document per route',
  },
});

/** The same document, of settings that are there. */
export function gatewayOf(input: ConfigInput | RealmConfig): Parameters<typeof GATEWAY.write>[0] {
  const given: Partial<Settings> = input.settings;
  const auth = { api_key: given.apiKey ?? null, jwt: given.jwt ?? null, oauth2: given.oauth2 ?? null };
  const isAuthGiven = Object.values(auth).some((one) => one !== null);
  const fluxgate = {
    public_url: given.publicUrl ?? null,
    trusted_proxies: given.trustedProxies?.length ? given.trustedProxies : null,
    auth: isAuthGiven ? auth : null,
    limits: given.limits ?? null,
  };
  return {
    version: 1,
    fluxgate: Object.values(fluxgate).some((one) => one !== null) ? fluxgate : null,
    listeners: given.listeners?.length ? given.listeners : null,
    upstreams: input.upstreams.length > 0 ? input.upstreams : null,
    tiers: input.tiers?.length ? input.tiers : null,
  };
}
