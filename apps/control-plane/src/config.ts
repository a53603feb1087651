import {
  anyText,
  isLoopback,
  type ReadFile,
  readSettings,
  type Setting,
  type SettingProblem,
  type SettingRead,
} from '@fluxgate/protocol/settings';
import { type IssuerConfig, issuerConfig, issuerUrl, jwksCache, rotateEvery, signingAlgorithm } from './config.issuer.ts';
import { type VaultConfig, vaultConfig, vaultSettings } from './config.vault.ts';

/** Everything `fluxgate-control-plane` is told at start. Frozen; read in main.ts and handed down. */
export interface Config {
  readonly databaseUrl: string;
  /** One of the two is set. */
  readonly kekFile: string | null;
  /** `vault:path#field`. */
  readonly kekRef: string | null;
  readonly vault: VaultConfig | null;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly bootstrapDir: string | null;
  readonly secretsDir: string | null;
  readonly redisUrl: string | null;
  readonly issuer: IssuerConfig;
  readonly logLevel: LogLevel;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

function databaseUrl(text: string): SettingRead {
  if (/^pglite:.+/.test(text)) return { value: text };
  const url = URL.canParse(text) ? new URL(text) : null;
  if ((url?.protocol === 'postgres:' || url?.protocol === 'postgresql:') && url.hostname !== '') return { value: text };
  // The value may hold a password, so it is not repeated.
  return {
    why: 'it is neither postgres://user:password@host:port/database nor pglite:DIRECTORY',
    remedy: 'set DATABASE_URL=postgres://fluxgate:…@127.0.0.1:5432/fluxgate, or pglite:./data for the embedded database',
  };
}

function port(text: string): SettingRead {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535
    ? { value: text }
    : { why: `"${text}" is not a port`, remedy: 'write a number from 1 to 65535, or 0 for any free port' };
}

function redisUrl(text: string): SettingRead {
  return /^rediss?:\/\/./.test(text)
    ? { value: text }
    : { why: 'it is not a Redis address', remedy: 'write redis://host:6379 or rediss://host:6379' };
}

function logLevel(text: string): SettingRead {
  return (LOG_LEVELS as readonly string[]).includes(text)
    ? { value: text }
    : { why: `"${text}" is not a log level`, remedy: `one of ${LOG_LEVELS.join(', ')}` };
}

/** The one table of settings: reading, the reference in README.md and the unknown-name check all come from it. */
export const settings = {
  DATABASE_URL: {
    yaml: 'database_url',
    purpose:
      'Where the control plane keeps its state: `postgres://…`, or `pglite:DIR` for the embedded Postgres (one process only)',
    fallback: null,
    required: true,
    read: databaseUrl,
  },
  FLUXGATE_KEK_FILE: {
    yaml: 'kek_file',
    purpose: 'File with the key-encryption key, 32 bytes as base64; the same on every replica, readable by this user only',
    fallback: null,
    required: false,
    read: anyText,
  },
  ...vaultSettings,
  FLUXGATE_ADMIN_HOST: {
    yaml: 'admin_host',
    purpose: 'Address of the admin API and of the sync endpoint; anything but loopback needs TLS',
    fallback: '127.0.0.1',
    required: false,
    read: anyText,
  },
  FLUXGATE_ADMIN_PORT: { yaml: 'admin_port', purpose: 'Port of the admin API', fallback: '8081', required: false, read: port },
  FLUXGATE_ADMIN_TLS_CERT: {
    yaml: 'admin_tls_cert',
    purpose: 'PEM file with the certificate chain of the admin API',
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_ADMIN_TLS_KEY: {
    yaml: 'admin_tls_key',
    purpose: 'PEM file with the private key of that certificate',
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_BOOTSTRAP_DIR: {
    yaml: 'bootstrap_dir',
    purpose: 'If set and no admin token exists: `admin.token` and `node.token` are written there, mode 0600',
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_SECRETS_DIR: {
    yaml: 'secrets_dir',
    purpose: 'The only directory that `file:` references may read from',
    fallback: null,
    required: false,
    read: anyText,
  },
  FLUXGATE_ISSUER: {
    yaml: 'issuer',
    purpose:
      'Name of the token issuer (`iss`) and base of its endpoints, https unless loopback; unset: the address of the admin API',
    fallback: null,
    required: false,
    read: (text) => issuerUrl(text, isLoopback),
  },
  FLUXGATE_ISSUER_ALGORITHM: {
    yaml: 'issuer_algorithm',
    purpose: 'What new signing keys of the issuer are made for: ES256, ES384 or RS256',
    fallback: 'ES256',
    required: false,
    read: signingAlgorithm,
  },
  FLUXGATE_ISSUER_ROTATE_EVERY: {
    yaml: 'issuer_rotate_every',
    purpose: 'Age at which a signing key of the issuer is replaced, or `never`',
    fallback: '30d',
    required: false,
    read: rotateEvery,
  },
  FLUXGATE_ISSUER_JWKS_CACHE: {
    yaml: 'issuer_jwks_cache',
    purpose: 'How long verifiers may keep the key set; a new key is published that long and a minute before it signs',
    fallback: '300s',
    required: false,
    read: jwksCache,
  },
  REDIS_URL: { yaml: 'redis_url', purpose: 'Accepted for later use', fallback: null, required: false, read: redisUrl },
  FLUXGATE_LOG_LEVEL: {
    yaml: 'log_level',
    purpose: `How much is logged to stderr: ${LOG_LEVELS.join(', ')}`,
    fallback: 'info',
    required: false,
    read: logLevel,
  },
} as const satisfies Record<string, Setting>;
type SettingName = keyof typeof settings;

/**
 * Reads the whole configuration: the YAML file named by FLUXGATE_CONFIG, overruled by the environment.
 * Either a frozen Config, or everything that is wrong, at once.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  readFile: ReadFile,
): { readonly config: Config } | { readonly problems: readonly SettingProblem[] } {
  const { values, problems } = readSettings(settings, env, readFile);
  const get = (name: SettingName): string | null => values.get(name) ?? null;
  const certFile = get('FLUXGATE_ADMIN_TLS_CERT');
  const keyFile = get('FLUXGATE_ADMIN_TLS_KEY');
  if ((certFile === null) !== (keyFile === null)) {
    const missing = certFile === null ? 'FLUXGATE_ADMIN_TLS_CERT' : 'FLUXGATE_ADMIN_TLS_KEY';
    problems.push({
      name: missing,
      why: 'a certificate and its key go together, and one is missing',
      remedy: `set ${missing} too`,
    });
  }
  const host = get('FLUXGATE_ADMIN_HOST') ?? '127.0.0.1';
  if (!isLoopback(host) && certFile === null && keyFile === null) {
    problems.push({
      name: 'FLUXGATE_ADMIN_HOST',
      why: `${host} is not loopback, and admin tokens would cross the network in clear`,
      remedy: 'set FLUXGATE_ADMIN_TLS_CERT and FLUXGATE_ADMIN_TLS_KEY, or listen on 127.0.0.1 behind a proxy that speaks TLS',
    });
  }
  const database = get('DATABASE_URL');
  const [kekFile, kekRef] = [get('FLUXGATE_KEK_FILE'), get('FLUXGATE_KEK_REF')];
  if (kekFile === null && kekRef === null)
    problems.push({
      name: 'FLUXGATE_KEK_FILE',
      why: 'it is not set',
      remedy: `${settings.FLUXGATE_KEK_FILE.purpose}; or set FLUXGATE_KEK_REF and read it from Vault`,
    });
  if (kekFile !== null && kekRef !== null)
    problems.push({ name: 'FLUXGATE_KEK_REF', why: 'FLUXGATE_KEK_FILE is set too', remedy: 'keep one of the two' });
  const { vault, problems: vaultProblems } = vaultConfig(get);
  problems.push(...vaultProblems);
  if (problems.length > 0 || database === null) return { problems };
  return {
    config: Object.freeze({
      databaseUrl: database,
      kekFile,
      kekRef,
      vault,
      adminHost: host.replace(/^\[(.*)\]$/, '$1'),
      adminPort: Number(get('FLUXGATE_ADMIN_PORT')),
      tls: certFile === null || keyFile === null ? null : { certFile, keyFile },
      bootstrapDir: get('FLUXGATE_BOOTSTRAP_DIR'),
      secretsDir: get('FLUXGATE_SECRETS_DIR'),
      redisUrl: get('REDIS_URL'),
      issuer: issuerConfig((name) => get(name === 'URL' ? 'FLUXGATE_ISSUER' : `FLUXGATE_ISSUER_${name}`)),
      logLevel: (get('FLUXGATE_LOG_LEVEL') ?? 'info') as LogLevel,
    }),
  };
}

/** The reference table in README.md; a test fails when the two differ. */
export function settingsReference(): string {
  const rows = Object.entries(settings).map(([name, { yaml, purpose, fallback, required }]) => {
    const standard = fallback === null ? (required ? 'required' : '') : `\`${fallback}\``;
    return `| \`${name}\` | \`${yaml}\` | ${standard} | ${purpose} |`;
  });
  return ['| Environment | YAML | Default | Meaning |', '|---|---|---|---|', ...rows].join('\n');
}
