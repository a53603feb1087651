import { isObject, readJwk } from '@fluxgate/policy';
import type { ClientAuthMethod } from '@fluxgate/protocol/admin';
import { type Problem, problem } from '../problem.ts';
import { documentUrlProblem } from './fetch-document.ts';

export interface ClientKeySource {
  readonly jwks: { readonly keys: readonly object[] } | null;
  readonly jwksUri: string | null;
}

/** Public keys go with private_key_jwt, one source of them, and with nothing else. Answers what is stored: public members only. */
export function judgeClientKeys(
  method: ClientAuthMethod,
  given: { readonly jwks: { readonly keys: readonly unknown[] } | null; readonly jwksUri: string | null },
): ClientKeySource | Problem {
  const wrong = (detail: string, hint: string): Problem => problem('client_keys_invalid', detail, hint);
  const { jwks, jwksUri } = given;
  if (method !== 'private_key_jwt') {
    if (jwks === null && jwksUri === null) return { jwks: null, jwksUri: null };
    return wrong(`a client with ${method} has no keys of its own`, 'leave the keys out, or choose private_key_jwt');
  }
  if (jwks !== null && jwksUri !== null) return wrong('both a key set and a URL of one are given', 'give one of the two');
  if (jwksUri !== null) {
    const why = documentUrlProblem(jwksUri);
    return why === null
      ? { jwks: null, jwksUri }
      : wrong(`jwksUri: ${why}`, 'write the https URL at which the client publishes its public keys');
  }
  if (jwks === null)
    return wrong('private_key_jwt needs the public keys of the client', 'give its JWK set, or the URL at which it publishes one');
  const keys: object[] = [];
  for (const [index, key] of jwks.keys.entries()) {
    const read = readJwk(key);
    if (typeof read === 'string')
      return wrong(
        `jwks.keys.${index}: ${read}`,
        'register public keys only: RSA from 2048 bits, P-256, P-384, P-521 or Ed25519',
      );
    const { kid, alg, material } = read;
    keys.push({ ...material, use: 'sig', ...(kid === null ? {} : { kid }), ...(alg === null ? {} : { alg }) });
  }
  const kids = keys.flatMap((key) => (isObject(key) && typeof key['kid'] === 'string' ? [key['kid']] : []));
  if (new Set(kids).size < kids.length || (keys.length > 1 && kids.length < keys.length))
    return wrong('several keys need a kid each, all different', 'name every key');
  return { jwks: { keys }, jwksUri: null };
}
