import type { UpdateIssuerClient } from '@fluxgate/protocol/admin';
import type { Needs } from '../../command.ts';
import { usage } from '../../failure.ts';
import type { Reader } from '../../reader.ts';

/** The flags that create and update share; a key set is a file that is read when the command runs. */
export interface Terms {
  readonly body: Pick<UpdateIssuerClient, 'scopes' | 'audiences' | 'tokenTtlMs' | 'owner' | 'jwksUri'>;
  readonly jwksFile: string | null;
}

export function readTerms(read: Reader): Terms {
  const [scopes, audiences, owner, jwksUri] = [
    read.list('scope'),
    read.list('audience'),
    read.text('owner'),
    read.text('jwks-uri'),
  ];
  const tokenTtlMs = read.durationMs('token-ttl');
  if (tokenTtlMs !== undefined && (tokenTtlMs < 1000 || tokenTtlMs > 3_600_000))
    read.wrong('token-ttl', 'is not between a second and an hour', 'write e.g. 10m');
  if (jwksUri !== undefined && read.text('jwks') !== undefined)
    read.wrong('jwks-uri', 'goes without --jwks', 'name one place for the public keys');
  return {
    body: {
      ...(scopes === undefined ? {} : { scopes: [...scopes] }),
      ...(audiences === undefined ? {} : { audiences: [...audiences] }),
      ...(tokenTtlMs === undefined ? {} : { tokenTtlMs }),
      ...(owner === undefined ? {} : { owner: owner === '' ? null : owner }),
      ...(jwksUri === undefined ? {} : { jwksUri }),
    },
    jwksFile: read.text('jwks') ?? null,
  };
}

/** Private members never leave this machine: a file that holds one is refused here already. */
export async function readJwks(file: string | null, { files }: Pick<Needs, 'files'>): Promise<Pick<UpdateIssuerClient, 'jwks'>> {
  if (file === null) return {};
  const refuse = (why: string) =>
    usage(`${file} ${why}`, { code: 'invalid_value', field: '--jwks', hint: 'Write {"keys":[…]} with public keys only' });
  let document: unknown;
  try {
    document = JSON.parse(file === '-' ? await files.readStdin() : await files.readText(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse('is not JSON');
    throw error;
  }
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const keys = isRecord(document) ? document['keys'] : undefined;
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isRecord)) throw refuse('is not a JWK set');
  if (keys.some((key) => ['d', 'p', 'q', 'k'].some((member) => member in key))) throw refuse('holds a private key');
  return { jwks: { keys } };
}
