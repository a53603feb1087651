import type { Middleware, RealmConfig } from '@fluxgate/policy';
import { resolveSecretRef } from '@fluxgate/stores/secrets';
import { secretStoreProblem } from '../secrets/outage.ts';
import type { Services } from '../services.ts';

export interface SecretUse {
  readonly reference: string;
  readonly object: { readonly kind: 'settings' | 'route'; readonly name: string };
}

function usesOf(list: readonly Middleware[]): string[] {
  return list.flatMap((one) => {
    if (one.kind === 'any_of') return usesOf(one.of);
    return one.kind === 'oauth2' && one.oauth2.clientSecretRef !== null ? [one.oauth2.clientSecretRef] : [];
  });
}

export function secretUses(config: RealmConfig): SecretUse[] {
  const global = config.settings.oauth2?.clientSecretRef ?? null;
  return [
    ...(global === null ? [] : [{ reference: global, object: { kind: 'settings', name: 'fluxgate' } } as const]),
    ...config.routes.flatMap((route) =>
      usesOf(route.middleware).map((reference) => ({ reference, object: { kind: 'route', name: route.name } }) as const),
    ),
  ];
}

/** Why a reference has no value, or null if it has one. The value itself stays where it is. */
export async function missingSecret(
  services: Pick<Services, 'secretsOf' | 'prefixes' | 'env'>,
  realm: string,
  reference: string,
): Promise<{ why: string; remedy: string } | null> {
  try {
    const resolved = await resolveSecretRef(reference, {
      store: services.secretsOf(realm),
      prefixes: services.prefixes,
      env: services.env,
    });
    return resolved.ok ? null : { why: resolved.why, remedy: resolved.remedy };
  } catch (error) {
    // A configuration can be applied while the store is away: the warning says that this was not looked at.
    const outage = secretStoreProblem(error);
    if (outage === null) throw error;
    return { why: `it cannot be checked now: ${outage.detail}`, remedy: outage.hint ?? 'look at `fluxctl secrets status`' };
  }
}
