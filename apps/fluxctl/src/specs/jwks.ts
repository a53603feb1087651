import { type CommandSpec, flag } from './types.ts';

export const jwksSpecs: readonly CommandSpec[] = [
  {
    path: ['jwks', 'status'],
    summary: 'Keys of token issuers on each node; exit 3 if an issuer has none to use',
    examples: [
      ['how fresh, how many, what went wrong', 'fluxctl jwks status'],
      ['with key ids and times', 'fluxctl jwks status -o wide'],
    ],
  },
  {
    path: ['jwks', 'refresh'],
    args: [{ name: 'ISSUER', required: false }],
    summary: 'Let every node fetch the keys of an issuer (default: of all) now',
    examples: [['after a rotation', 'fluxctl jwks refresh https://auth.example.com']],
  },
  {
    path: ['jwks', 'evict'],
    args: [{ name: 'ISSUER', required: true }],
    summary: 'Take a key of an issuer out of every node at once',
    about:
      'With --kid the key stays out until the issuer no longer publishes it.\nWithout, all keys of the issuer are dropped and fetched anew; until then its\ntokens are answered 503.',
    flags: [flag('kid', 'KID', 'only this key')],
    examples: [['a key that leaked', 'fluxctl jwks evict https://auth.example.com --kid rsa-2026-11 --yes']],
  },
];
