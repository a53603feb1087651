import type { RealmConfig } from '@fluxgate/policy';
import { deleteRecord, ENTITY, jsonPayload, putRecord, type StateRecord } from '@fluxgate/protocol/sync';
import { canonicalJson } from './canonical-json.ts';
import type { CONFIG_KINDS } from './config.ts';

/** One declared object: a row of config_object and an entity of the state at once. */
export interface DeclaredObject {
  readonly kind: keyof typeof ENTITY & keyof typeof CONFIG_KINDS;
  /** Empty for settings and tiers. */
  readonly name: string;
  readonly spec: unknown;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: string | null;
}

const plain = { labels: {}, owner: null } as const;

export function objectsOf(config: RealmConfig): DeclaredObject[] {
  return [
    { kind: 'settings', name: '', spec: config.settings, ...plain },
    ...config.upstreams.map((spec): DeclaredObject => ({ kind: 'upstream', name: spec.name, spec, ...plain })),
    { kind: 'tiers', name: '', spec: config.tiers, ...plain },
    ...config.routes.map(
      (spec): DeclaredObject => ({ kind: 'route', name: spec.name, spec, labels: spec.labels, owner: spec.owner }),
    ),
  ];
}

export interface ObjectChanges {
  readonly put: readonly DeclaredObject[];
  readonly gone: readonly DeclaredObject[];
}

/** Objects in the order in which nodes take them: what a route names comes before the route. */
export function changedObjects(before: RealmConfig, after: RealmConfig, isNew: boolean): ObjectChanges {
  const key = ({ kind, name }: DeclaredObject): string => `${kind}/${name}`;
  const old = new Map(isNew ? [] : objectsOf(before).map((one) => [key(one), canonicalJson(one.spec)]));
  const now = objectsOf(after);
  const names = new Set(now.map(key));
  return {
    put: now.filter((one) => old.get(key(one)) !== canonicalJson(one.spec)),
    gone: objectsOf(before).filter((one) => !names.has(key(one))),
  };
}

export function recordsOf({ put, gone }: ObjectChanges): StateRecord[] {
  return [
    ...put.map(({ kind, name, spec }) => putRecord(ENTITY[kind], name, jsonPayload(spec))),
    ...gone.map(({ kind, name }) => deleteRecord(ENTITY[kind], name)),
  ];
}
