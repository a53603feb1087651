import type { RealmConfig } from '@fluxgate/policy';
import type { z } from 'zod';
import type { ConfigChange as ChangeShape } from '../admin/resources.ts';
import { GATEWAY, gatewayOf } from './blocks/gateway.ts';
import { TIER } from './blocks/limits.ts';
import { ROUTE } from './blocks/route.ts';
import { UPSTREAM } from './blocks/upstream.ts';
import type { Plain } from './schema.ts';

export type ConfigChange = z.infer<typeof ChangeShape>;

/**
 * What changes from one configuration to the other, object by object; objects that stay as they are are left out. Paths and
 * values are those of the file (`auth.api_key.validation.max_age`, `90d`), so secrets appear as the references they are.
 * Kinds: settings (one, named `fluxgate`), upstream, tier, route. The order of tiers is a change of `settings` at `tiers`.
 */
export function diffConfig(before: RealmConfig, after: RealmConfig): ConfigChange[] {
  const old = objectsOf(before);
  const now = objectsOf(after);
  const changes: ConfigChange[] = [];
  for (const [key, { kind, name, fields }] of now) {
    const was = old.get(key);
    const changed = compare(was?.fields ?? new Map(), fields);
    if (was === undefined) changes.push({ action: 'create', kind, name, changes: changed });
    else if (changed.length > 0) changes.push({ action: 'update', kind, name, changes: changed });
  }
  for (const [key, { kind, name, fields }] of old)
    if (!now.has(key)) changes.push({ action: 'delete', kind, name, changes: compare(fields, new Map()) });
  return changes;
}

interface WrittenObject {
  readonly kind: string;
  readonly name: string;
  /** Dotted path → value as written; lists of single values are one value. */
  readonly fields: ReadonlyMap<string, unknown>;
}

function objectsOf(config: RealmConfig): Map<string, WrittenObject> {
  const all = new Map<string, WrittenObject>();
  const add = (kind: string, name: string, plain: ReadonlyMap<string, Plain>) =>
    all.set(`${kind}/${name}`, { kind, name, fields: flatten(plain) });
  const { fluxgate, listeners, version } = gatewayOf(config);
  const gateway = GATEWAY.write({ version, fluxgate, listeners, upstreams: null, tiers: null }, 'explicit');
  const settings = new Map<string, Plain>(gateway.get('fluxgate') as ReadonlyMap<string, Plain> | undefined);
  const listening = gateway.get('listeners');
  if (listening !== undefined) settings.set('listeners', listening);
  if (config.tiers.length > 0)
    settings.set(
      'tiers',
      config.tiers.map((tier) => tier.name),
    );
  add('settings', 'fluxgate', settings);
  for (const one of config.upstreams) add('upstream', one.name, UPSTREAM.write(one, 'explicit'));
  for (const one of config.tiers) add('tier', one.name, TIER.write(one, 'explicit'));
  for (const one of config.routes) add('route', one.name, ROUTE.write(one, 'explicit'));
  return all;
}

function flatten(plain: ReadonlyMap<string, Plain>): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  const walk = (value: Plain, path: string): void => {
    if (value instanceof Map && value.size > 0)
      for (const [key, inner] of value) walk(inner, path === '' ? key : `${path}.${key}`);
    else if (Array.isArray(value) && value.some((one) => typeof one === 'object'))
      value.forEach((inner, index) => {
        walk(inner, `${path}.${index}`);
      });
    else fields.set(path, value instanceof Map ? {} : value);
  };
  walk(plain, '');
  return fields;
}

function compare(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): ConfigChange['changes'] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths]
    .filter((path) => JSON.stringify(before.get(path)) !== JSON.stringify(after.get(path)))
    .map((path) => ({ path, before: before.get(path) ?? null, after: after.get(path) ?? null }));
}
