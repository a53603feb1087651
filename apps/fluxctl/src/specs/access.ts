import { type CommandSpec, flag, words } from './types.ts';

const ROLES = ['viewer', 'operator', 'key-rotator', 'admin'] as const;

export const accessSpecs: readonly CommandSpec[] = [
  {
    path: ['auth', 'login'],
    aliases: [['login']],
    summary: 'Log in with an admin token',
    about:
      'Asks for the token without showing it, or reads it from stdin. Checks it before it is stored. There is no --token flag.',
    flags: [flag('token-stdin', null, 'read the token from stdin')],
    examples: [
      ['by hand', 'fluxctl auth login --server https://gw.example.com'],
      ['in a script', 'fluxctl auth login --server https://gw.example.com --context prod --token-stdin < admin.token'],
    ],
  },
  {
    path: ['auth', 'status'],
    summary: 'Who am I, where, with which token, stored how?',
    examples: [['before something important', 'fluxctl auth status']],
  },
  {
    path: ['auth', 'logout'],
    summary: 'Forget the token of the context',
    about: 'The token itself stays valid: end it with fluxctl tokens revoke KID.',
    flags: [flag('all', null, 'forget the tokens of all contexts')],
    examples: [['of the current context', 'fluxctl auth logout']],
  },
  {
    path: ['auth', 'verify'],
    summary: 'Is this endpoint protected as configured, on every node? Exit 3 if not',
    flags: [
      flag('endpoint', 'PATH|URL', 'path on the gateway, or a URL', { required: true }),
      flag('mode', 'MODE', 'report (exit 0), standard (exit 3 on a fail) or strict (on a warning too)', {
        choices: ['report', 'standard', 'strict'],
      }),
      flag('method', 'METHOD', 'method to judge by (default GET)'),
      flag('host', 'HOST', 'Host header to judge by'),
    ],
    examples: [['as a gate in CI', 'fluxctl auth verify --endpoint /internal/gateway --mode strict']],
  },
  {
    path: ['oauth2', 'configure'],
    summary: 'Create or change FluxGate as client of a provider; only the given flags change',
    flags: [
      flag('client-id', 'ID', 'client id at the provider', { required: true }),
      words('redirect', 'URI', 'redirect URIs, exact (replaces the set)', { commas: false }),
      words('scope', 'SCOPE', 'scopes to ask for (replaces the set)'),
      flag('secret-ref', 'REF', 'where the client secret lives, e.g. vault:secret/data/oauth2#client_secret'),
      flag('issuer', 'URL', 'issuer of the provider'),
      flag('name', 'NAME', 'name to show'),
    ],
    examples: [
      [
        'as documented',
        'fluxctl oauth2 configure --client-id gx_88291a --redirect https://app.example.com/callback --scope read:inventory write:orders',
      ],
    ],
  },
  { path: ['oauth2', 'list'], summary: 'List OAuth2 clients', examples: [['all', 'fluxctl oauth2 list']] },
  {
    path: ['oauth2', 'get'],
    args: [{ name: 'CLIENT-ID', required: true }],
    summary: 'Show an OAuth2 client',
    examples: [['one', 'fluxctl oauth2 get gx_88291a']],
  },
  {
    path: ['oauth2', 'delete'],
    args: [{ name: 'CLIENT-ID', required: true }],
    summary: 'Remove an OAuth2 client',
    examples: [['one', 'fluxctl oauth2 delete gx_88291a --yes']],
  },
  {
    path: ['tokens', 'create'],
    summary: 'Make an admin token; shown once',
    flags: [
      flag('name', 'NAME', 'who or what will use it', { required: true }),
      flag('role', 'ROLE', 'viewer, operator, key-rotator or admin', { required: true, choices: ROLES }),
      flag('expiry', 'TIME', 'when it ends, e.g. 30d (default: never)'),
      flag('secret-to', 'SINK', 'file:PATH (0600) or exec:CMD (token on its stdin); not shown then'),
      flag('force', null, 'let file: replace an existing file'),
    ],
    examples: [['for a pipeline that rotates keys', 'fluxctl tokens create --name ci --role key-rotator --expiry 90d']],
  },
  { path: ['tokens', 'list'], summary: 'List admin tokens', examples: [['all', 'fluxctl tokens list']] },
  {
    path: ['tokens', 'revoke'],
    args: [{ name: 'KID', required: true }],
    summary: 'End an admin token',
    examples: [['one', 'fluxctl tokens revoke 7Kq2mXcT9aLb --yes']],
  },
];

export const contextSpecs: readonly CommandSpec[] = [
  { path: ['context', 'list'], summary: 'List contexts', examples: [['names only', 'fluxctl context list -o name']] },
  {
    path: ['context', 'use'],
    args: [{ name: 'NAME', required: true }],
    summary: 'Make a context the current one',
    examples: [['switch', 'fluxctl context use prod']],
  },
  {
    path: ['context', 'show'],
    args: [{ name: 'NAME' }],
    summary: 'Show the context in use, and why it is',
    examples: [['for a shell prompt', 'fluxctl context show -o name']],
  },
  {
    path: ['context', 'add'],
    args: [{ name: 'NAME', required: true }],
    summary: 'Save a server (--server) under a name',
    flags: [
      flag('token-stdin', null, 'read its token from stdin and store it'),
      flag('token-file', 'PATH', 'read its token from this file whenever it is needed'),
      flag('use', null, 'make it the current context'),
      flag('replace', null, 'change it if it exists'),
    ],
    examples: [
      ['with a token in a file', 'fluxctl context add prod --server https://gw.example.com --token-file ~/.prod.token --use'],
    ],
  },
  {
    path: ['context', 'remove'],
    args: [{ name: 'NAME', required: true }],
    summary: 'Forget a context and its token',
    examples: [['one', 'fluxctl context remove staging']],
  },
];
