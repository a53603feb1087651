import type { ApiKeySettings } from '@fluxgate/policy';
import { defaultPrefixes, parseSecretRef } from '@fluxgate/stores/secrets';
import { type Problem, problem } from '../problem.ts';
import { isPepperField, vaultPathOf } from './pepper.ts';

export interface Delivery {
  readonly path: string;
  readonly field: string;
}

/** The place of a `deliver:` reference: an entry of the secret store under the allowed prefixes, never the pepper ring. */
export function deliveryOf(reference: string, settings: ApiKeySettings | null): Problem | Delivery {
  const parsed = parseSecretRef(reference, defaultPrefixes(null));
  if (!parsed.ok) return problem('secret_ref_refused', `deliver: ${parsed.why}`, parsed.remedy);
  if (parsed.ref.kind !== 'vault')
    return problem(
      'secret_ref_refused',
      'a secret can only be delivered into the secret store',
      'write vault:secret/data/<name>#<field>',
    );
  const { path, field } = parsed.ref;
  return writableProblem(path, field, settings) ?? { path, field };
}

/** Why this entry may not be written through the API, or null. */
export function writableProblem(path: string, field: string, settings: ApiKeySettings | null): Problem | null {
  if (!isPepperField(field) || (path !== vaultPathOf(settings) && path !== vaultPathOf(null))) return null;
  return problem(
    'secret_ref_refused',
    `${path}#${field} belongs to the pepper ring, which the control plane makes and never overwrites`,
    'choose another path or field',
  );
}

export function deliveryProblem(reference: string | null, settings: ApiKeySettings | null): Problem | null {
  if (reference === null) return null;
  const delivery = deliveryOf(reference, settings);
  return 'problem' in delivery ? delivery : null;
}
