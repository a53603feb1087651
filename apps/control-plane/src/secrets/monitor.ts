import type { SecretStore, SecretStoreStatus } from '@fluxgate/stores';
import type { VaultClient } from '@fluxgate/stores/secrets';
import type { Log } from '../log.ts';

/** What was last seen of the secret store. No request waits for it. */
export interface SecretsMonitor {
  readonly kind: 'vault' | 'local';
  /** null: not looked at yet. */
  readonly last: SecretStoreStatus | null;
  /** Looks again, and keeps the token of the control plane alive. */
  check(): Promise<SecretStoreStatus>;
}

export function createSecretsMonitor(
  store: Pick<SecretStore, 'status'>,
  vault: Pick<VaultClient, 'tend'> | null,
  log: Pick<Log, 'info' | 'error'>,
  tell: (isUp: boolean) => void,
): SecretsMonitor {
  let last: SecretStoreStatus | null = null;
  const kind = vault === null ? 'local' : 'vault';
  return {
    kind,
    get last() {
      return last;
    },
    async check() {
      // A renewal that fails shows in the status.
      await vault?.tend().catch(() => undefined);
      const found = await store.status();
      const changed = last === null ? !found.ok : last.ok !== found.ok;
      last = found;
      tell(found.ok);
      if (changed && !found.ok)
        log.error(
          { store: kind, why: found.why, remedy: found.remedy },
          'the secret store is unavailable; gateways are not affected',
        );
      else if (changed) log.info({ store: kind }, 'the secret store is back');
      return found;
    },
  };
}
