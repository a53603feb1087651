import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import { parseDuration } from '@fluxgate/policy';
import {
  anyText,
  isLoopback,
  type ReadFile,
  readSettings,
  type Setting,
  type SettingProblem,
  type SettingRead,
} from '@fluxgate/protocol/settings';
import { parseNodeToken } from '@fluxgate/protocol/sync';
import { type AccessPolicy, parseAccessPolicy, parseRatio } from './telemetry/accessPolicy.ts';
import type { OtlpTarget } from './telemetry/otlp.ts';
import { readOtlpEndpoint, readOtlpHeaders } from './telemetry/otlpSettings.ts';

/** Everything `fluxgate-gateway` is told at start. Frozen; read in main.ts and handed down. */
export interface Config {
  readonly controlPlanes: readonly string[];
  readonly nodeToken: string;
  readonly realm: string;
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly statusHost: string;
  readonly statusPort: number;
  readonly workers: number;
  readonly nodeName: string;
  readonly redisUrl: string | null;
  readonly caPem: string | null;
  readonly logLevel: LogLevel;
  readonly accessLog: AccessPolicy;
  /** null: no spans are exported. */
  readonly otlp: OtlpTarget | null;
  /** Share of the traces that begin here which are sampled. */
  readonly traceRatio: number;
  readonly drainMs: number;
  /** Where TLS certificates and keys lie that the configuration names. */
  readonly tlsDir: string;
  /** null: a node judges by its last state, however old. */
  readonly staleAfterMs: number | null;
  readonly jwksCoolDownMs: number;
  readonly jwksStaleMs: number;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

function numberFrom(least: number, most: number, what: string) {
  return (text: string): SettingRead =>
    /^\d{1,6}$/.test(text) && Number(text) >= least && Number(text) <= most
      ? { value: text }
      : { why: `"${text}" is not ${what}`, remedy: `write a number from ${least} to ${most}` };
}

function oneOf(allowed: readonly string[], what: string) {
  return (text: string): SettingRead =>
    allowed.includes(text) ? { value: text } : { why: `"${text}" is not ${what}`, remedy: `one of ${allowed.join(', ')}` };
}

function controlPlanes(text: string): SettingRead {
  for (const part of text.split(',').map((item) => item.trim())) {
    const url = URL.canParse(part) ? new URL(part) : null;
    if (url === null || !/^(https?|wss?):$/.test(url.protocol) || url.hostname === '') {
      return {
        why: `"${part}" is not the URL of a control plane`,
        remedy: 'write one or more like https://control.example.com:8081, with commas between',
      };
    }
    if (url.username !== '' || url.password !== '') {
      return {
        why: 'a URL holds a user name or a password',
        remedy: 'leave them out: the node token is what identifies this node',
      };
    }
    if (/^(http|ws):$/.test(url.protocol) && !isLoopback(url.hostname)) {
      return {
        why: `${url.origin} is neither TLS nor loopback, and the node token would cross the network in clear`,
        remedy: 'use https://',
      };
    }
  }
  return { value: text };
}

function duration(text: string): SettingRead {
  const parsed = parseDuration(text);
  return parsed.ok ? { value: String(parsed.value) } : { why: parsed.why, remedy: parsed.remedy };
}

function accessPolicy(text: string): SettingRead {
  return parseAccessPolicy(text) === null
    ? { why: `"${text}" is not an access log`, remedy: 'one of off, refusals, all, sampled:1/N' }
    : { value: text };
}

function ratio(text: string): SettingRead {
  return parseRatio(text) === null
    ? { why: `"${text}" is not a share`, remedy: 'write a number from 0 to 1, or 1/N' }
    : { value: text };
}

const REFUSALS_ONLY: AccessPolicy = { mode: 'refusals', oneIn: 1 };
const PORT = numberFrom(0, 65_535, 'a port');

/** The one table of settings: reading, the reference in README.md and the unknown-name check all come from it. */
export const settings = {
  FLUXGATE_CONTROL_PLANE: {
    yaml: 'control_plane',
    list: true,
    purpose: 'Control-plane URLs, with commas between; the node uses one that answers. Plain `http://` only to loopback',
    fallback: null,
    required: true,
    read: controlPlanes,
  },
  FLUXGATE_NODE_TOKEN: {
    yaml: 'node_token',
    purpose: 'What `fluxctl nodes token create` printed. Better in a file',
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_NODE_TOKEN_FILE: {
    yaml: 'node_token_file',
    purpose: 'File that holds the node token; one of the two is required',
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_DATA_DIR: {
    yaml: 'data_dir',
    purpose: 'Directory of this node alone: its key, its last good state. Made if it is missing, mode 0700',
    fallback: null,
    required: true,
    read: anyText,
  },
  FLUXGATE_GATEWAY_HOST: {
    yaml: 'gateway_host',
    purpose: 'Address that takes traffic',
    fallback: '127.0.0.1',
    required: false,
    read: anyText,
  },
  FLUXGATE_GATEWAY_PORT: {
    yaml: 'gateway_port',
    purpose: 'Port that takes traffic; 0: any free one',
    fallback: '8080',
    required: false,
    read: PORT,
  },
  FLUXGATE_STATUS_HOST: {
    yaml: 'status_host',
    purpose: 'Address of `/livez`, `/readyz`, `/metrics`: nothing secret, but not for the public',
    fallback: '127.0.0.1',
    required: false,
    read: anyText,
  },
  FLUXGATE_STATUS_PORT: {
    yaml: 'status_port',
    purpose: 'Port of the same; 0: any free one',
    fallback: '8082',
    required: false,
    read: PORT,
  },
  FLUXGATE_WORKERS: {
    yaml: 'workers',
    purpose: 'Request workers; one where the platform cannot share a port (macOS, Windows)',
    fallback: null,
    shown: 'one per core',
    required: false,
    read: numberFrom(1, 254, 'a number of workers'),
  },
  FLUXGATE_NODE_NAME: {
    yaml: 'node_name',
    purpose: 'What the control plane calls this node',
    fallback: null,
    shown: 'host name',
    required: false,
    read: anyText,
  },
  FLUXGATE_CONTROL_PLANE_CA: {
    yaml: 'control_plane_ca',
    purpose: "PEM file of a certificate authority to trust besides the system's",
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_TLS_DIR: {
    yaml: 'tls_dir',
    purpose:
      'Directory of the certificates and keys that `listeners` and `upstreams` name by `file:`; nothing outside it is read. Looked at every 2 s, at once on SIGHUP',
    fallback: null,
    shown: '`tls` in the data directory',
    required: false,
    read: anyText,
  },
  FLUXGATE_STALE_AFTER: {
    yaml: 'stale_after',
    purpose:
      'Refuse keys with 503 `stale_state` when the control plane has not vouched for the state for so long (`5m`), unless `fallback_action: last_known`. Unset: any age will do',
    fallback: null,
    required: false,
    read: duration,
  },
  FLUXGATE_DRAIN: {
    yaml: 'drain',
    purpose: 'How long requests in progress may take to finish at a stop',
    fallback: '10s',
    required: false,
    read: duration,
  },
  FLUXGATE_JWKS_COOL_DOWN: {
    yaml: 'jwks_cool_down',
    purpose: 'Tokens that name an unknown key make the node ask their issuer at most once in this time',
    fallback: '10s',
    required: false,
    read: duration,
  },
  FLUXGATE_JWKS_STALE: {
    yaml: 'jwks_stale',
    purpose: 'How long the keys of an issuer that cannot be reached are used; then its tokens get 503 `keys_unavailable`',
    fallback: '24h',
    required: false,
    read: duration,
  },
  FLUXGATE_LOG_LEVEL: {
    yaml: 'log_level',
    purpose: `How much is logged to stdout: ${LOG_LEVELS.join(', ')}`,
    fallback: 'info',
    required: false,
    read: oneOf(LOG_LEVELS, 'a log level'),
  },
  FLUXGATE_ACCESS_LOG: {
    yaml: 'access_log',
    purpose:
      '`off`; `refusals`: what the gateway refused or could not deliver, at most 50 lines a second and worker, the rest counted; `all`: every request; `sampled:1/N`: every N-th request of a worker. Whatever `FLUXGATE_LOG_LEVEL` is',
    fallback: 'refusals',
    required: false,
    read: accessPolicy,
  },
  FLUXGATE_OTLP_ENDPOINT: {
    yaml: 'otlp_endpoint',
    purpose:
      'Base URL of an OTLP/HTTP collector that gets spans as JSON, e.g. `http://127.0.0.1:4318`; `/v1/traces` is added. Unset: none are made',
    fallback: null,
    required: false,
    read: readOtlpEndpoint,
  },
  FLUXGATE_OTLP_HEADERS_FILE: {
    yaml: 'otlp_headers_file',
    purpose:
      'File of `Name: value` lines for requests to the collector, e.g. its token. Needs `https://`, or a collector on loopback',
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_TRACE_RATIO: {
    yaml: 'trace_ratio',
    purpose:
      'Share of the traces that begin here which are sampled: `1/100`, `0.5`, `1` (all, for debugging: it costs a third of the throughput and more). A caller with a `traceparent` has decided for itself',
    fallback: '0.01',
    required: false,
    read: ratio,
  },
  REDIS_URL: {
    yaml: 'redis_url',
    purpose: 'Accepted for later use',
    fallback: null,
    required: false,
    read: (text: string): SettingRead =>
      /^rediss?:\/\/./.test(text)
        ? { value: text }
        : { why: 'it is not a Redis address', remedy: 'write redis://host:6379 or rediss://host:6379' },
  },
} as const satisfies Record<string, Setting>;
type SettingName = keyof typeof settings;

/**
 * Reads the whole configuration: the YAML file named by FLUXGATE_CONFIG, overruled by the environment.
 * Either a frozen Config, or everything that is wrong, at once. No problem repeats a secret.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  readFile: ReadFile,
): { readonly config: Config } | { readonly problems: readonly SettingProblem[] } {
  const { values, problems } = readSettings(settings, env, readFile);
  const get = (name: SettingName): string | null => values.get(name) ?? null;
  const content = (name: SettingName): string | null => {
    const from = get(name);
    if (from === null) return null;
    try {
      return readFile(from).trim();
    } catch (error) {
      problems.push({
        name,
        why: `${from} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
        remedy: 'name a file that this user may read',
      });
      return null;
    }
  };
  const token = readToken(
    get('FLUXGATE_NODE_TOKEN'),
    get('FLUXGATE_NODE_TOKEN_FILE'),
    () => content('FLUXGATE_NODE_TOKEN_FILE'),
    problems,
  );
  const caPem = content('FLUXGATE_CONTROL_PLANE_CA');
  const otlp = readOtlp(get('FLUXGATE_OTLP_ENDPOINT'), () => content('FLUXGATE_OTLP_HEADERS_FILE'), problems);
  const port = Number(get('FLUXGATE_GATEWAY_PORT'));
  const statusPort = Number(get('FLUXGATE_STATUS_PORT'));
  if (port !== 0 && port === statusPort) {
    problems.push({
      name: 'FLUXGATE_STATUS_PORT',
      why: `${port} is also the traffic port`,
      remedy: 'give status a port of its own',
    });
  }
  const planes = get('FLUXGATE_CONTROL_PLANE');
  const dataDir = get('FLUXGATE_DATA_DIR');
  if (problems.length > 0 || planes === null || dataDir === null || token === null) return { problems };
  const stale = get('FLUXGATE_STALE_AFTER');
  return {
    config: Object.freeze({
      controlPlanes: planes.split(',').map((item) => item.trim()),
      nodeToken: token.text,
      realm: token.realm,
      dataDir,
      host: unbracketed(get('FLUXGATE_GATEWAY_HOST') ?? ''),
      port,
      statusHost: unbracketed(get('FLUXGATE_STATUS_HOST') ?? ''),
      statusPort,
      workers: Number(get('FLUXGATE_WORKERS') ?? availableParallelism()),
      nodeName: get('FLUXGATE_NODE_NAME') ?? hostname(),
      redisUrl: get('REDIS_URL'),
      caPem,
      logLevel: (get('FLUXGATE_LOG_LEVEL') ?? 'info') as LogLevel,
      accessLog: parseAccessPolicy(get('FLUXGATE_ACCESS_LOG') ?? '') ?? REFUSALS_ONLY,
      otlp,
      traceRatio: parseRatio(get('FLUXGATE_TRACE_RATIO') ?? '') ?? 0.01,
      drainMs: Number(get('FLUXGATE_DRAIN')),
      tlsDir: get('FLUXGATE_TLS_DIR') ?? join(dataDir, 'tls'),
      staleAfterMs: stale === null ? null : Number(stale),
      jwksCoolDownMs: Number(get('FLUXGATE_JWKS_COOL_DOWN')),
      jwksStaleMs: Number(get('FLUXGATE_JWKS_STALE')),
    }),
  };
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

function readOtlp(url: string | null, headersFile: () => string | null, problems: SettingProblem[]): OtlpTarget | null {
  const text = headersFile();
  const name = 'FLUXGATE_OTLP_HEADERS_FILE';
  if (text === null) return url === null ? null : { url, headers: {} };
  const read = readOtlpHeaders(text);
  if (!('value' in read)) problems.push({ name, ...read });
  else if (url === null)
    problems.push({ name, why: 'there is no collector to send them to', remedy: 'set FLUXGATE_OTLP_ENDPOINT' });
  else if (url.startsWith('http:') && !isLoopback(new URL(url).hostname))
    problems.push({
      name,
      why: 'the headers would cross the network in clear',
      remedy: 'use https:// in FLUXGATE_OTLP_ENDPOINT',
    });
  else return { url, headers: read.value };
  return null;
}

function readToken(
  given: string | null,
  file: string | null,
  readTokenFile: () => string | null,
  problems: SettingProblem[],
): { readonly text: string; readonly realm: string } | null {
  const remedy = 'make one with `fluxctl nodes token create` and name its file in FLUXGATE_NODE_TOKEN_FILE';
  if (given !== null && file !== null) {
    problems.push({
      name: 'FLUXGATE_NODE_TOKEN',
      why: 'FLUXGATE_NODE_TOKEN_FILE is set too, and only one of them can be meant',
      remedy: 'unset one',
    });
    return null;
  }
  if (given === null && file === null) {
    problems.push({ name: 'FLUXGATE_NODE_TOKEN', why: 'there is no node token', remedy });
    return null;
  }
  const text = given ?? readTokenFile();
  if (text === null) return null;
  const token = parseNodeToken(text);
  if (token !== null) return { text, realm: token.realm };
  problems.push({
    name: given === null ? 'FLUXGATE_NODE_TOKEN_FILE' : 'FLUXGATE_NODE_TOKEN',
    why: 'what is given is no node token, or it was cut',
    remedy,
  });
  return null;
}

/** The reference table in README.md; a test fails when the two differ. */
export function settingsReference(): string {
  const rows = Object.entries<Setting>(settings).map(([name, { yaml, purpose, fallback, required, shown }]) => {
    const standard = shown ?? (fallback === null ? (required ? 'required' : '') : `\`${fallback}\``);
    return `| \`${name}\` | \`${yaml}\` | ${standard} | ${purpose} |`;
  });
  return ['| Environment | YAML | Default | Meaning |', '|---|---|---|---|', ...rows].join('\n');
}
