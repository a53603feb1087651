import { type CommandSpec, flag, words } from './types.ts';

export const gatewaySpecs: readonly CommandSpec[] = [
  {
    path: ['nodes', 'list'],
    summary: 'List gateway nodes',
    examples: [['with versions and durable revisions', 'fluxctl nodes list -o wide']],
  },
  {
    path: ['nodes', 'status'],
    summary: 'Have all live nodes the same revision? Exit 8 if not',
    flags: [flag('revision', 'R', 'ask for this revision instead of the newest')],
    examples: [
      ['now', 'fluxctl nodes status --no-wait'],
      ['wait for it', 'fluxctl nodes status --wait --timeout 2m'],
    ],
  },
  {
    path: ['nodes', 'token', 'create'],
    summary: 'Make a token with which nodes join; shown once',
    flags: [
      flag('name', 'NAME', 'name of the token', { required: true }),
      flag('expiry', 'TIME', 'when it ends, e.g. 90d (default: never)'),
      flag('secret-to', 'SINK', 'file:PATH (0600) or exec:CMD (token on its stdin); not shown then'),
      flag('force', null, 'let file: replace an existing file'),
    ],
    examples: [['for the nodes of one site', 'fluxctl nodes token create --name eu-1 --secret-to file:node.token']],
  },
  {
    path: ['nodes', 'token', 'list'],
    summary: 'List node tokens',
    examples: [['who may join', 'fluxctl nodes token list']],
  },
  {
    path: ['nodes', 'token', 'revoke'],
    args: [{ name: 'KID', required: true }],
    summary: 'End a node token; its nodes are cut off',
    examples: [['a lost machine', 'fluxctl nodes token revoke 7Kq2mXcT9aLb --yes']],
  },
  {
    path: ['routes', 'list'],
    summary: 'List routes and how each is protected',
    examples: [['with hosts and labels', 'fluxctl routes list -o wide']],
  },
  {
    path: ['routes', 'get'],
    args: [{ name: 'ROUTE', required: true }],
    summary: 'Show a route as the nodes compile it',
    examples: [['by name', 'fluxctl routes get /api/v2/metrics']],
  },
  {
    path: ['routes', 'test'],
    args: [
      { name: 'METHOD', required: true },
      { name: 'URL', required: true },
    ],
    summary: 'Which route wins for a request, why others lost, what it would meet',
    flags: [
      flag('host', 'HOST', 'Host header, if the URL is only a path'),
      words('expect', 'K=V', 'exit 3 unless it holds: route=NAME, refusal=CODE, status=N, upstream=NAME', { commas: true }),
    ],
    examples: [
      ['a path', 'fluxctl routes test GET /api/v2/metrics'],
      ['as a check in CI', 'fluxctl routes test GET /api/v2/metrics --expect route=/api/v2/metrics'],
    ],
  },
  {
    path: ['secrets', 'set'],
    args: [{ name: 'PATH#FIELD', required: true }],
    summary: 'Write an entry of the secret store; the value never goes on the command line',
    flags: [
      flag('from-stdin', null, 'read the value from stdin (one newline at its end is dropped)'),
      flag('from-file', 'PATH', 'read the value from a file, byte by byte'),
    ],
    examples: [
      ['from a pipe', 'pass show oauth2 | fluxctl secrets set secret/data/oauth2#client_secret --from-stdin'],
      ['asked for, hidden', 'fluxctl secrets set secret/data/oauth2#client_secret'],
    ],
  },
  {
    path: ['secrets', 'list'],
    summary: 'List entries of the secret store; values are never shown',
    flags: [flag('prefix', 'PATH', 'only below this path'), flag('limit', 'N', 'at most this many (default 100)')],
    examples: [['what is there', 'fluxctl secrets list --prefix secret/data/']],
  },
  {
    path: ['secrets', 'status'],
    summary: 'Does the secret store answer, which peppers are in use? Exit 3 if it does not',
    examples: [['is Vault there?', 'fluxctl secrets status']],
  },
  {
    path: ['secrets', 'rotate-pepper'],
    summary: 'Add a pepper; new keys use it once every live node holds it',
    about:
      'No key stops working: each verifies with the pepper it was made with. A pepper that no key uses any more is destroyed. To move a key to the new one, rotate the key.',
    examples: [['once a year, or after a leak', 'fluxctl secrets rotate-pepper --wait --timeout 1m']],
  },
];
