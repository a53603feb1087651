import { aboutSpecs } from './about.ts';
import { accessSpecs, contextSpecs } from './access.ts';
import { configSpecs } from './config.ts';
import { gatewaySpecs } from './gateway.ts';
import { issuerSpecs } from './issuer.ts';
import { jwksSpecs } from './jwks.ts';
import { keySpecs } from './keys.ts';
import { signingSpecs } from './signing.ts';
import type { CommandSpec } from './types.ts';

/** Every command, the most used first. */
export const SPECS: readonly CommandSpec[] = [
  ...keySpecs,
  ...configSpecs,
  ...gatewaySpecs,
  ...signingSpecs,
  ...jwksSpecs,
  ...issuerSpecs,
  ...accessSpecs,
  ...contextSpecs,
  ...aboutSpecs,
];

/** Groups of the overview: title and the first words below it. */
export const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ['Everyday', ['keys', 'apply', 'validate', 'export', 'nodes']],
  ['Access', ['auth', 'sign', 'oauth2', 'clients', 'jwks', 'tokens', 'secrets']],
  ['Looking', ['routes', 'revisions', 'audit']],
  ['fluxctl itself', ['context', 'version', 'completion', 'help']],
];

export const NOUN_SUMMARY: Readonly<Record<string, string>> = {
  keys: 'Make, list, rotate and revoke API keys',
  clients: 'Clients of the token endpoint',
  jwks: 'Keys of token issuers: as the nodes hold them, and our own',
  nodes: 'Gateway nodes, and how far each has come',
  auth: 'Log in; prove that an endpoint is protected',
  oauth2: 'FluxGate as OAuth2 client of a provider',
  tokens: 'Admin tokens',
  secrets: 'Entries of the secret store',
  routes: 'Routes, and which one takes a request',
  revisions: 'The revision log',
  audit: 'Who did what',
  context: 'Servers you work with',
  'keys rotations': 'Rotations that run or ran',
  'nodes token': 'Tokens with which nodes join',
};

export const keyOf = (path: readonly string[]): string => path.join(' ');
