import {
  EMPTY_SETTINGS,
  type RealmConfig,
  type RouteSpec,
  type Settings,
  type TierSpec,
  type UpstreamSpec,
} from '@fluxgate/policy';
import type { Diagnostic } from '../admin/resources.ts';

/** One file as the operator gave it; `name` is only used to say where a mistake is. */
export interface ConfigFile {
  readonly name: string;
  readonly text: string;
}

/** What the files say, and nothing else: a block or object that no file mentions is absent here. */
export interface ConfigInput {
  readonly settings: Partial<Settings>;
  readonly upstreams: readonly UpstreamSpec[];
  /** The whole list in order, or null when no file speaks of tiers. */
  readonly tiers: readonly TierSpec[] | null;
  readonly routes: readonly RouteSpec[];
}

/** A spot in a file; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Where each object and field of a `ConfigInput` was written. Asked by `findPlace` and `diagnose`. */
export type Positions = ReadonlyMap<string, Place>;

export type ObjectKind = 'settings' | 'upstream' | 'tier' | 'route';

export interface ParsedConfig {
  readonly input: ConfigInput;
  readonly diagnostics: readonly Diagnostic[];
  readonly positions: Positions;
}

export const emptyConfig = (): RealmConfig => ({
  settings: { ...EMPTY_SETTINGS },
  upstreams: [],
  tiers: [],
  routes: [],
});

/**
 * The configuration after the files were applied. Objects are replaced whole, by name; what the files do not mention stays:
 * absence never deletes. `tiers` is one object, because its order decides.
 */
export function mergeConfig(current: RealmConfig, input: ConfigInput): RealmConfig {
  return {
    settings: { ...current.settings, ...input.settings },
    upstreams: replaceByName(current.upstreams, input.upstreams),
    tiers: input.tiers ?? current.tiers,
    routes: replaceByName(current.routes, input.routes),
  };
}

/** A replaced object keeps its place in the list, a new one goes to the end: applying twice changes nothing. */
function replaceByName<T extends { readonly name: string }>(current: readonly T[], given: readonly T[]): readonly T[] {
  const byName = new Map(current.map((one) => [one.name, one]));
  for (const one of given) byName.set(one.name, one);
  return [...byName.values()];
}
