import { SecretStoreUnavailable } from '../../ports/faults.ts';
import type { VaultReply } from './transport.ts';

/** One answer of Vault, its JSON read. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** The `errors` of the body: Vault's words, without values. */
  readonly errors: readonly string[];
  readonly retryAfterMs: number | null;
}

export function member(value: unknown, ...path: readonly string[]): unknown {
  let at: unknown = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

export function readAnswer({ status, headers, body }: VaultReply): Answer {
  let parsed: unknown = null;
  try {
    parsed = body === '' ? null : JSON.parse(body);
  } catch {
    // A proxy's page: the status says what there is to know.
  }
  const errors = member(parsed, 'errors');
  const seconds = Number(headers['retry-after']);
  return {
    status,
    body: parsed,
    errors: Array.isArray(errors) ? errors.map((error) => String(error).slice(0, 300)) : [],
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 && headers['retry-after'] !== undefined ? seconds * 1000 : null,
  };
}

/** The answer says that it is worth asking again: not that the request was bad. 412: a replica that has not caught up. */
export function isPassing({ status }: Answer): boolean {
  return status === 412 || status === 429 || status === 472 || status === 473 || status >= 500;
}

/** What an answer that is neither a result nor a plain refusal means. `what`: the operation, e.g. `read of secret/data/x`. */
export function outageOf({ status, errors }: Answer, what: string): SecretStoreUnavailable {
  const said = errors.length === 0 ? '' : `: ${errors.join('; ')}`;
  const fault = (...[outage, why, remedy]: readonly [SecretStoreUnavailable['outage'], string, string]) =>
    new SecretStoreUnavailable(outage, `${why} (${what}, status ${status})`, remedy);
  if (errors.some((error) => /is sealed/i.test(error)) || (status === 503 && errors.length === 0))
    return fault('sealed', 'Vault is sealed or not ready', 'unseal it: `bao operator unseal` or `vault operator unseal`');
  if (status === 472 || status === 473 || errors.some((error) => /standby/i.test(error)))
    return fault(
      'standby',
      'this Vault is a standby and does not serve',
      'set VAULT_ADDR to the active node or to the load balancer',
    );
  if (status === 429) return fault('busy', 'Vault limits the rate of requests', 'raise its rate limit quota for FluxGate');
  if (status === 403)
    return fault(
      'denied',
      `Vault refuses the control plane${said}`,
      'give its role the policy in docs/vault.md, or renew its token',
    );
  if (status === 400 || status === 404 || status === 405)
    return fault(
      'denied',
      `Vault does not take the request${said}`,
      'check the mounts named in docs/vault.md: KV version 2, Transit',
    );
  return fault('failed', `Vault failed${said}`, 'look into the log of Vault');
}
