import { type ApiKeySettings, DEFAULT_API_KEY_SETTINGS } from '@fluxgate/policy';
import type { SecretStore } from '@fluxgate/stores';
import { SecretStoreUnavailable } from '@fluxgate/stores';
import { hasKeys } from '@fluxgate/stores/postgres';
import { ensurePepperRing, SecretUnreadable } from '@fluxgate/stores/secrets';
import { type Problem, problem } from '../problem.ts';
import type { Services } from '../services.ts';

export interface Pepper {
  readonly version: number;
  readonly bytes: Uint8Array;
}

const MADE_BY = 'control-plane';

/** Fields of the ring: nobody writes them through the API, because a changed pepper makes every key invalid. */
export function isPepperField(field: string): boolean {
  return field === 'current' || /^pepper\.\d+$/.test(field);
}

export const vaultPathOf = (settings: ApiKeySettings | null): string => (settings ?? DEFAULT_API_KEY_SETTINGS).vaultPath;

/** The pepper that new keys are made with; the ring is made on first need. A ring that does not open is an outage, not a reason for a new one. */
export async function pepperFor(
  services: Pick<Services, 'db' | 'secretsOf' | 'door' | 'log'>,
  realm: string,
  settings: ApiKeySettings | null,
): Promise<Pepper | Problem> {
  const path = vaultPathOf(settings);
  try {
    const { current, peppers } = await ensurePepperRing(services.secretsOf(realm), path, {
      by: MADE_BY,
      random: (count) => services.door.randomBytes(count),
      isNeeded: () => hasKeys(services.db.prisma, realm),
    });
    return { version: current, bytes: peppers.get(current) as Uint8Array };
  } catch (error) {
    if (!(error instanceof SecretUnreadable) && !(error instanceof SecretStoreUnavailable)) throw error;
    services.log.error({ err: error, realm, path }, 'the pepper ring cannot be read');
    const remedy = error instanceof SecretStoreUnavailable ? error.remedy : 'check FLUXGATE_KEK_FILE and the secret store';
    return problem('pepper_missing', `the pepper ring at ${path} cannot be read`, `${remedy}; no key was made`);
  }
}

/**
 * `vault_path` was changed: the ring goes along, because the keys that exist were made with it. Returns the field in
 * which another ring already lies at the new place, or null when all is well.
 */
export async function moveRing(secrets: SecretStore, from: string, to: string): Promise<string | null> {
  const fields = (await secrets.list(from))
    .filter((entry) => entry.path === from && isPepperField(entry.field))
    .map(({ field }) => field);
  // The pointer last: a ring without it counts as not there.
  for (const field of fields.sort((a, b) => Number(a === 'current') - Number(b === 'current'))) {
    const value = await secrets.get(from, field);
    if (value === null || (await secrets.setIfAbsent(to, field, value, MADE_BY))) continue;
    if ((await secrets.get(to, field))?.reveal() !== value.reveal()) return field;
  }
  return null;
}
