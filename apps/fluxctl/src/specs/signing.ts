import { type CommandSpec, flag, words } from './types.ts';

export const signingSpecs: readonly CommandSpec[] = [
  {
    path: ['sign'],
    args: [
      { name: 'METHOD', required: true },
      { name: 'URL', required: true },
    ],
    summary: 'Sign a request; prints arguments for curl',
    about:
      'For routes with signature: required. Nothing is sent. Covered are method, host, path, query, the body and every -H.\n' +
      'Each signature is good once, for the time that the route allows (5 minutes unless set).',
    flags: [
      flag('data', '@FILE', 'body of the request, byte by byte'),
      flag('data-string', 'TEXT', 'body of the request'),
      words('header', 'NAME: VALUE', 'a header to cover and print', { short: 'H', commas: false }),
      flag('key-file', 'FILE', 'signing secret, or Ed25519 private key (PEM or JWK); or FLUXCTL_SIGNING_KEY_FILE'),
      flag('key-id', 'KID', 'id of the key, beside a private key'),
      flag('expires-in', 'TIME', 'make it end sooner than the route says, e.g. 30s'),
      flag('lines', null, 'print header lines, for: curl -H @-'),
    ],
    examples: [
      ['a GET', 'eval curl https://api.example.com/orders "$(fluxctl sign GET https://api.example.com/orders --key-file k)"'],
      [
        'a body',
        'fluxctl sign POST "$URL" --data @order.json --key-file k --lines | curl -H @- --data-binary @order.json "$URL"',
      ],
    ],
  },
];
