import { isCoverable, isScope } from '@fluxgate/policy';
import { NAME_PATTERN } from '../admin/patterns.ts';
import { prefixProblem } from './addresses.ts';
import { nearest } from './report.ts';
import type { ValueType } from './schema.ts';
import { oneOf, text } from './values.ts';

/** The kinds of value that name something: objects, scopes, methods, headers, secrets. */

export const objectName: ValueType<string> = text({
  label: 'name',
  charsMax: 200,
  check: (value) =>
    NAME_PATTERN.test(value)
      ? null
      : { why: 'a name begins with a letter or digit and holds letters, digits and . _ : @ -', remedy: null },
});

export const scope: ValueType<string> = text({
  label: 'scope',
  charsMax: 128,
  check: (value) => {
    if (isScope(value)) return null;
    const parts = value.trim().split(/[\s,]+/);
    const remedy =
      parts.length > 1 && parts.every(isScope)
        ? `several scopes are a list: [${parts.map((one) => `"${one}"`).join(', ')}]`
        : null;
    return { why: 'a scope is 1–128 visible ASCII characters without space, " and \\', remedy };
  },
});

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'QUERY',
  'PROPFIND',
  'PROPPATCH',
  'MKCOL',
  'COPY',
  'MOVE',
  'LOCK',
  'UNLOCK',
  'REPORT',
  'SEARCH',
  'PURGE',
];

export function methodProblem(value: string): { why: string; remedy: string | null } | null {
  if (METHODS.includes(value)) return null;
  if (METHODS.includes(value.toUpperCase())) return { why: 'methods are case-sensitive', remedy: `\`${value.toUpperCase()}\`` };
  if (value === '*' || /^(any|all)$/i.test(value))
    return { why: 'there is no word for every method', remedy: 'leave `methods` out: the route then takes every method' };
  if (/^(trace|connect)$/i.test(value)) return { why: 'FluxGate forwards neither TRACE nor CONNECT', remedy: null };
  const near = nearest(value, METHODS);
  return { why: 'it is no method FluxGate forwards', remedy: near === null ? `one of ${METHODS.join(', ')}` : `\`${near}\`` };
}
export const method: ValueType<string> = text({ label: 'method', charsMax: 32, check: methodProblem });

/** `GET /app/inventory`: what a scope opens. */
export const methodAndPath: ValueType<string> = text({
  label: '`METHOD /path`',
  check: (value) => {
    const [verb = '', path, ...rest] = value.split(' ');
    if (path === undefined || rest.length > 0)
      return {
        why: 'it is a method, one space and a path',
        remedy: value.startsWith('/') ? `"GET ${value}"` : '"GET /app/inventory"',
      };
    return methodProblem(verb) ?? prefixProblem(path);
  },
});

/** RFC 9110 §5.6.2 token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
const FRAMING =
  /^(host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*|(set-)?cookie|date|range|if-(none-)?match|max-forwards|via|forwarded|x-forwarded-.*|trace(parent|state))$/i;
const IDENTITY = /^x-fluxgate-(principal|key-id|owner|scopes|reason)$/i;
const OWN = /^x[-_]fluxgate[-_]/i;

const headerProblem = (value: string): { why: string; remedy: string | null } | null => {
  if (!TOKEN.test(value))
    return {
      why: 'a header name is 1–64 letters, digits and -',
      remedy: value.endsWith(':') ? `\`${value.slice(0, -1)}\`, without the colon` : null,
    };
  if (FRAMING.test(value))
    return { why: 'HTTP itself needs that header', remedy: 'a name of your own, such as `X-FluxGate-API-Key`' };
  return IDENTITY.test(value) ? { why: 'the gateway itself writes that header', remedy: 'another name' } : null;
};

/** The header in which a caller presents a key. */
export const credentialHeader: ValueType<string> = text({
  label: 'header name',
  charsMax: 64,
  check: (value) =>
    /^authorization$/i.test(value)
      ? { why: 'Authorization carries bearer tokens', remedy: '`X-FluxGate-API-Key`' }
      : headerProblem(value),
});

/** A header in which the gateway tells the upstream something. */
export const identityHeader: ValueType<string> = text({
  label: 'header name',
  charsMax: 64,
  check: (value) => {
    if (OWN.test(value)) return { why: 'names beginning with X-FluxGate- are the own of the gateway', remedy: '`X-User-Id`' };
    if (/^authorization$/i.test(value)) return { why: 'the upstream would take it for a credential', remedy: '`X-User-Id`' };
    return headerProblem(value);
  },
});

export const claimName: ValueType<string> = text({
  label: 'claim',
  charsMax: 200,
  check: (value) =>
    /^[A-Za-z0-9][\x21-\x7e]*$/.test(value) || /^_[A-Za-z0-9][\x21-\x7e]*$/.test(value)
      ? null
      : { why: 'it is no claim name', remedy: '`sub`, or a path such as `realm_access.roles`' },
});

/** `typ` of a token: a media type, with or without `application/`. */
export const mediaType: ValueType<string> = text({
  label: 'token type',
  charsMax: 100,
  check: (value) => (/^[A-Za-z0-9!#$&^_.+/-]+$/.test(value) ? null : { why: 'it is no media type', remedy: '`at+jwt`' }),
});

/** What a signature may be asked to cover. */
export const coverable: ValueType<string> = text({
  label: 'component',
  charsMax: 64,
  check: (value) =>
    isCoverable(value)
      ? null
      : {
          why: 'no signature of a request can cover that',
          remedy: isCoverable(value.toLowerCase()) ? `\`${value.toLowerCase()}\`` : 'the name of a header field, or `@scheme`',
        },
});

export const queryParameter: ValueType<string> = text({
  label: 'query parameter',
  charsMax: 64,
  check: (value) =>
    /^[A-Za-z0-9._~-]+$/.test(value) ? null : { why: 'it holds letters, digits and . _ ~ -', remedy: '`api_key`' },
});

export const labelKey: ValueType<string> = text({
  label: 'label',
  charsMax: 63,
  check: (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(value)
      ? null
      : { why: 'a label begins with a letter or digit and holds letters, digits and . _ / -', remedy: null },
});

const VAULT_PATH = /^(?!\/)(?!.*(?:\/\/|\.\.))[A-Za-z0-9._/-]{1,200}(?<!\/)$/;

/** Where secrets are kept, e.g. `secret/data/api-keys`; without field. */
export const vaultPath: ValueType<string> = text({
  label: 'secret path',
  charsMax: 200,
  isPrivate: true,
  check: (value) => {
    if (VAULT_PATH.test(value)) return null;
    if (value.startsWith('vault:')) return { why: 'the path stands here without `vault:`', remedy: '`secret/data/api-keys`' };
    return {
      why: value.includes('#') ? 'it names a field' : 'a path is made of letters, digits and . _ / -',
      remedy: '`secret/data/api-keys`',
    };
  },
});

const secretProblem = (value: string): { why: string; remedy: string | null } | null => {
  const [, scheme, rest = ''] = /^(vault|file|env):(.*)$/s.exec(value) ?? [];
  if (scheme === undefined)
    return {
      why: 'it is the secret itself, or no reference at all',
      remedy:
        '`vault:secret/data/oauth2#client_secret`, `file:…` or `env:FLUXGATE_SECRET_…`; `fluxctl secrets set PATH#FIELD --from-stdin` stores the secret',
    };
  if (scheme === 'env')
    return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(rest)
      ? null
      : { why: 'an environment variable is letters, digits and _', remedy: '`env:FLUXGATE_SECRET_OAUTH2`' };
  if (scheme === 'file')
    return /^[^\p{Cc}]{1,1024}$/u.test(rest) && !rest.split('/').includes('..')
      ? null
      : { why: 'it is no plain path', remedy: '`file:/etc/fluxgate/secrets/oauth2`' };
  const [path = '', field, ...more] = rest.split('#');
  if (field === undefined || field === '')
    return { why: 'the field after # is missing', remedy: '`vault:secret/data/oauth2#client_secret`' };
  return VAULT_PATH.test(path) && /^[A-Za-z0-9._-]{1,100}$/.test(field) && more.length === 0
    ? null
    : { why: 'it is not vault:PATH#FIELD', remedy: '`vault:secret/data/oauth2#client_secret`' };
};

/** A reference, never a secret; what stands there wrongly may be one and is not repeated. */
export const secretRef: ValueType<string> = text({
  label: 'secret reference',
  charsMax: 2048,
  isPrivate: true,
  check: secretProblem,
});

/** A PEM file of the node itself: TLS keys stay where the connection ends, and are read only below the node's FLUXGATE_TLS_DIR. */
export const nodeFile: ValueType<string> = text({
  label: 'file reference',
  charsMax: 100_000,
  isPrivate: true,
  check: (value) => {
    if (value.includes('-----BEGIN')) return { why: 'it is the PEM text itself', remedy: '`file:server.pem`' };
    if (/^\/[^\p{C}]{0,200}$/u.test(value)) return { why: 'a file is named by `file:`', remedy: `\`file:${value}\`` };
    if (/^(vault|env):/.test(value))
      return {
        why: 'TLS keys are files of the node, they never travel',
        remedy: '`file:server.pem`, below FLUXGATE_TLS_DIR of each node',
      };
    if (!value.startsWith('file:')) return { why: 'a file is named by `file:`', remedy: '`file:server.pem`' };
    return value.length > 5 ? secretProblem(value) : { why: 'the path is missing', remedy: '`file:server.pem`' };
  },
});

/** What FluxGate verifies: asymmetric only. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export const algorithm: ValueType<string> = oneOf(ALGORITHMS, (given) => {
  if (/^none$/i.test(given))
    return { why: '`none` means that anybody may write the token', remedy: `one of ${ALGORITHMS.join(', ')}` };
  if (/^HS(256|384|512)$/i.test(given))
    return {
      why: `${given} needs a shared secret: whoever can check such a token can also forge it`,
      remedy: 'let the issuer sign with RS256, ES256 or ES384 and publish its keys at jwks_uri',
    };
  return null;
});
