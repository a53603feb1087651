import { lookup } from 'node:dns/promises';
import { createFailureLimit, type FailureLimit } from '../http/failures.ts';
import { within } from '../http/within.ts';
import type { Services } from '../services.ts';
import type { IssuerAddresses } from './addresses.ts';
import { authenticateClient, type ProvenClient } from './client-auth.ts';
import { type ClientKeys, createClientKeys } from './client-keys.ts';
import { type ClientUse, createClientUse } from './client-use.ts';
import { documentFetcher } from './fetch-document.ts';
import type { Form } from './form.ts';
import { isOAuthError, type OAuthError, oauthError } from './oauth-error.ts';
import { type Presented, readPresented } from './presented.ts';
import type { IssuerRing } from './ring.ts';

/** The database has this long to tell who asks. A key set that must be fetched adds to it. */
const AUTHENTICATE_MS = 8_000;

/** One request to an endpoint of the issuer, its form read and its realm known. */
export interface Ask {
  readonly realm: string;
  readonly addresses: IssuerAddresses;
  readonly ring: IssuerRing;
  readonly form: Form;
  /** As they came, also when there is more than one. */
  readonly authorization: readonly string[];
  readonly address: string;
  readonly requestId: string;
  readonly nowMs: number;
}

/** What the endpoints share while the process lives. */
export interface Desk {
  readonly services: Services;
  readonly keys: ClientKeys;
  readonly use: ClientUse;
  readonly failures: { readonly byAddress: FailureLimit; readonly byClient: FailureLimit };
}

export function createDesk(services: Services): Desk {
  return {
    services,
    keys: createClientKeys(documentFetcher((host) => lookup(host, { all: true }))),
    use: createClientUse(services),
    failures: { byAddress: createFailureLimit(), byClient: createFailureLimit() },
  };
}

/** The client behind a request. Failures are counted by address and by client; a client that proves itself is served all the same. */
export async function clientOf(desk: Desk, ask: Ask): Promise<ProvenClient | OAuthError> {
  const presented = readPresented(ask.authorization, ask.form);
  if (isOAuthError(presented)) return presented.oauthError === 'invalid_client' ? failed(desk, ask, null, presented) : presented;
  const { services, keys } = desk;
  const proven = await within(
    AUTHENTICATE_MS,
    authenticateClient(presented, ask.realm, ask.addresses, services, keys, ask.nowMs),
  );
  if (isOAuthError(proven)) return proven.oauthError === 'invalid_client' ? failed(desk, ask, presented, proven) : proven;
  desk.use.note(proven.client.clientId, proven.secretKid, ask.nowMs);
  return proven;
}

function failed({ services, failures }: Desk, ask: Ask, presented: Presented | null, refusal: OAuthError): OAuthError {
  const { address, nowMs } = ask;
  const client = `${ask.realm}/${presented?.clientId?.slice(0, 100) ?? '-'}`;
  const waits = [failures.byAddress.retryAfterMs(address, nowMs), failures.byClient.retryAfterMs(client, nowMs)];
  failures.byAddress.record(address, nowMs);
  if (presented?.clientId != null) failures.byClient.record(client, nowMs);
  services.metrics.authFailure();
  const retryAfterMs = Math.max(...waits.map((wait) => wait ?? 0));
  if (retryAfterMs > 0)
    return oauthError('invalid_client', 'too many failed attempts; wait, then try again', { status: 429, retryAfterMs });
  services.log.warn(
    { requestId: ask.requestId, address, client, why: refusal.because },
    'refused a client of the token endpoint',
  );
  return refusal;
}
