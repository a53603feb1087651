import { type CommandSpec, flag, words } from './types.ts';

const CLIENT = { name: 'CLIENT', required: true } as const;
const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
const SINK = [
  flag('secret-to', 'SINK', 'file:PATH (0600) or exec:CMD (secret on its stdin); not shown then'),
  flag('force', null, 'let file: replace an existing file'),
];
const TERMS = [
  words('scope', 'SCOPE', 'scopes it may ask for (replaces the set)'),
  words('audience', 'NAME', 'for whom its tokens may be; the first is used when it names none (replaces the set)'),
  flag('token-ttl', 'TIME', 'how long its tokens live, at most 1h (default 10m)'),
  flag('owner', 'WHO', 'who answers for it'),
  flag('jwks', 'FILE', 'its public keys, a JWK set; for private_key_jwt'),
  flag('jwks-uri', 'URL', 'where it publishes its public keys; for private_key_jwt'),
];

export const issuerSpecs: readonly CommandSpec[] = [
  {
    path: ['clients', 'create'],
    summary: 'Make a client of the token endpoint; its secret is shown once',
    about: 'The client exchanges its secret for access tokens at POST /oauth2/token (client_credentials).',
    flags: [
      flag('name', 'NAME', 'name of the client', { required: true }),
      ...TERMS,
      flag('auth', 'METHOD', 'how it proves itself (default client_secret_basic)', { choices: METHODS }),
      flag('introspect', null, 'may ask about tokens of other clients'),
      ...SINK,
    ],
    examples: [
      ['a service', 'fluxctl clients create --name orders-worker --scope read:orders --audience orders-api'],
      [
        'with a key of its own',
        'fluxctl clients create --name ci --auth private_key_jwt --jwks ci.jwks.json --audience orders-api',
      ],
    ],
  },
  {
    path: ['clients', 'list'],
    summary: 'List clients of the token endpoint',
    flags: [flag('search', 'TEXT', 'part of the name, id or owner'), flag('limit', 'N', 'at most this many (default 100)')],
    examples: [['all', 'fluxctl clients list']],
  },
  {
    path: ['clients', 'get'],
    args: [CLIENT],
    summary: 'Show a client',
    examples: [['one', 'fluxctl clients get orders-worker']],
  },
  {
    path: ['clients', 'update'],
    args: [CLIENT],
    summary: 'Change what a client may ask for, or switch it off; only the given flags change',
    flags: [
      ...TERMS,
      flag('introspect', null, 'may ask about tokens of other clients', { negatable: true }),
      flag('enabled', null, 'switch it on, or off with --no-enabled', { negatable: true }),
    ],
    examples: [['switch it off', 'fluxctl clients update orders-worker --no-enabled']],
  },
  {
    path: ['clients', 'rotate-secret'],
    args: [CLIENT],
    summary: 'Make a new secret; the one before works until the grace ends',
    flags: [flag('grace', 'TIME', 'how long the old secret works (default 24h; 0s ends it at once)'), ...SINK],
    examples: [
      ['into a file', 'fluxctl clients rotate-secret orders-worker --secret-to file:client.secret'],
      ['after a leak', 'fluxctl clients rotate-secret orders-worker --grace 0s --yes'],
    ],
  },
  {
    path: ['clients', 'delete'],
    args: [CLIENT],
    summary: 'Remove a client and its secrets',
    examples: [['one', 'fluxctl clients delete orders-worker --yes']],
  },
  {
    path: ['jwks', 'rotate'],
    summary: 'Rotate the signing key of the token issuer, without a refused token',
    about:
      'Publishes a new key; it signs once every verifier can know it, by itself or by the same command later. The old key stays published until its last token has ended.',
    flags: [
      flag('now', null, 'sign with another key at once, though verifiers may not know it yet'),
      flag('compromised', null, 'the key leaked: sign with a new one at once and end every token made so far'),
    ],
    examples: [
      ['planned', 'fluxctl jwks rotate'],
      ['after a leak', 'fluxctl jwks rotate --compromised --yes'],
    ],
  },
  {
    path: ['jwks', 'keys'],
    summary: 'Show the token issuer and its signing keys',
    examples: [['when does the next one sign?', 'fluxctl jwks keys']],
  },
];
