import { command, type Needs } from '../../../command.ts';
import { type MadeToken, makeToken, readTokenOptions, showToken, type TokenOptions } from '../../../issue-token.ts';

const REVOKE = 'fluxctl nodes token revoke';

export const create = command<TokenOptions, MadeToken, Pick<Needs, 'admin' | 'sinks' | 'mask' | 'settings'>>({
  options: readTokenOptions,
  run: (options, needs) =>
    makeToken(
      options,
      needs,
      () =>
        needs.admin.call('nodeTokensCreate', { body: { name: options.name, expiresInMs: options.expiresInMs }, mints: 'once' }),
      REVOKE,
    ),
  show: (made) => showToken(made, 'Node token', REVOKE, 'The node reads it from FLUXGATE_NODE_TOKEN_FILE'),
});
