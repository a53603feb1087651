import { command, type Needs } from '../../command.ts';
import { type MadeToken, makeToken, readTokenOptions, showToken, type TokenOptions } from '../../issue-token.ts';

const REVOKE = 'fluxctl tokens revoke';

export const create = command<TokenOptions, MadeToken, Pick<Needs, 'admin' | 'sinks' | 'mask' | 'settings'>>({
  options: readTokenOptions,
  run: (options, needs) =>
    makeToken(
      options,
      needs,
      () =>
        needs.admin.call('adminTokensCreate', {
          body: { name: options.name, role: options.role ?? 'viewer', expiresInMs: options.expiresInMs },
          mints: 'once',
        }),
      REVOKE,
    ),
  show: (made) => showToken(made, 'Admin token', REVOKE, 'Log in with it: fluxctl login --token-stdin, or set FLUXCTL_TOKEN'),
});
