import type { RealmConfig } from '../model.ts';

export interface ConfigFinding {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly object: { readonly kind: 'settings' | 'upstream' | 'tier' | 'route'; readonly name: string };
  /** Dotted path inside the object as it is written in fluxgate.yaml, e.g. `middleware.0.any_of.1.jwt.issuer`; empty = the object itself. */
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
}

export function judgeConfig(_config: RealmConfig): readonly ConfigFinding[] {
  return [];
}
