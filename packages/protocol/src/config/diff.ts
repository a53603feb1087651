import type { RealmConfig } from '@fluxgate/policy';
import type { z } from 'zod';
import type { ConfigChange as ChangeShape } from '../admin/resources.ts';

export type ConfigChange = z.infer<typeof ChangeShape>;

export function diffConfig(before: RealmConfig, after: RealmConfig): ConfigChange[] {
  const old = objects(before);
  const now = objects(after);
  const changes: ConfigChange[] = [];
  for (const [key, { kind, name, value }] of now) {
    const was = old.get(key)?.value;
    if (JSON.stringify(was) !== JSON.stringify(value))
      changes.push({
        action: was === undefined ? 'create' : 'update',
        kind,
        name,
        changes: [{ path: '', before: was ?? null, after: value }],
      });
  }
  for (const [key, { kind, name, value }] of old)
    if (!now.has(key)) changes.push({ action: 'delete', kind, name, changes: [{ path: '', before: value, after: null }] });
  return changes;
}

function objects(config: RealmConfig) {
  const all = new Map<string, { kind: string; name: string; value: unknown }>();
  all.set('settings', { kind: 'settings', name: 'fluxgate', value: config.settings });
  all.set('tiers', { kind: 'tiers', name: 'tiers', value: config.tiers });
  for (const one of config.upstreams) all.set(`upstream/${one.name}`, { kind: 'upstream', name: one.name, value: one });
  for (const one of config.routes) all.set(`route/${one.name}`, { kind: 'route', name: one.name, value: one });
  return all;
}
