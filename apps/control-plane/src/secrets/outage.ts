import { SecretStoreUnavailable } from '@fluxgate/stores';
import { SecretUnreadable } from '@fluxgate/stores/secrets';
import { type Problem, problem } from '../problem.ts';

/** null: not a fault of the secret store. */
export function secretStoreProblem(error: unknown): Problem | null {
  if (error instanceof SecretStoreUnavailable) return problem('secret_store_unavailable', error.message, error.remedy);
  if (error instanceof SecretUnreadable)
    return problem('secret_store_unavailable', error.message, 'check FLUXGATE_KEK_FILE and the secret store');
  return null;
}
