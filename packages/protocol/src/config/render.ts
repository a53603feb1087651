import type { RealmConfig } from '@fluxgate/policy';
import { GATEWAY, gatewayOf } from './blocks/gateway.ts';
import { ROUTE } from './blocks/route.ts';
import { emitDocument } from './emit.ts';
import type { Plain } from './schema.ts';

/**
 * The configuration as files would say it: one gateway document, one document per route. Settings are written out, so that
 * the file means the same under later defaults; upstreams and routes leave out what is the default.
 * `mergeConfig(emptyConfig(), parseConfig([{ name, text: renderConfig(c) }]).input)` equals `c`.
 */
export function renderConfig(config: RealmConfig): string {
  const whole = gatewayOf(config);
  const gateway = new Map<string, Plain>();
  const terse = GATEWAY.write(whole, 'terse');
  for (const [name, plain] of GATEWAY.write(whole, 'explicit'))
    gateway.set(name, name === 'upstreams' ? (terse.get(name) ?? plain) : plain);
  return [gateway, ...config.routes.map((route) => ROUTE.write(route, 'terse'))].map(emitDocument).join('---\n');
}
