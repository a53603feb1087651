import type { CreateIssuerClient, IssuedClient } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { readSinkOptions, type SinkOptions } from '../../handover.ts';
import { mintSecret, rehearsal, showMinted } from './minting.ts';
import { readJwks, readTerms, type Terms } from './terms.ts';

interface Options extends SinkOptions {
  readonly body: CreateIssuerClient;
  readonly jwksFile: Terms['jwksFile'];
}

export const create = command<
  Options,
  IssuedClient & { readonly delivered: string | null },
  Pick<Needs, 'admin' | 'sinks' | 'mask' | 'settings' | 'files'>
>({
  options: (read) => {
    const { body, jwksFile } = readTerms(read);
    const method = (read.text('auth') ?? 'client_secret_basic') as NonNullable<CreateIssuerClient['authMethod']>;
    const hasKeys = jwksFile !== null || body.jwksUri !== undefined;
    if (method === 'private_key_jwt' && !hasKeys)
      read.wrong('auth', 'private_key_jwt needs public keys', 'add --jwks FILE or --jwks-uri URL');
    if (method !== 'private_key_jwt' && hasKeys)
      read.wrong('auth', `${method} goes without public keys`, 'add --auth private_key_jwt');
    return {
      body: {
        name: read.text('name') ?? '',
        authMethod: method,
        ...body,
        ...(read.on('introspect') ? { mayIntrospect: true } : {}),
      },
      jwksFile,
      ...readSinkOptions(read),
    };
  },
  run: async (options, needs) => {
    const body = { ...options.body, ...(await readJwks(options.jwksFile, needs)) };
    return mintSecret(options, needs, body.authMethod !== 'private_key_jwt', () =>
      needs.admin.call('clientsCreate', { body, mints: 'once', ...rehearsal(needs.settings) }),
    );
  },
  show: (made, _options, { settings }) => showMinted(made, settings, 'created'),
});
