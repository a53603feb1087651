import { type ConfigFinding, judgeConfig, type RealmConfig } from '@fluxgate/policy';
import type { Diagnostic } from '../admin/resources.ts';
import type { Positions } from './input.ts';
import { findPlace, isGiven } from './positions.ts';
import { inFileOrder } from './report.ts';

/**
 * What the rules between objects say about a configuration, at the places where the files caused it. `config` is the merged
 * whole; `positions` are those of the files. A finding on an object that no file mentions has file '' and line 0.
 */
export function diagnose(config: RealmConfig, positions: Positions): Diagnostic[] {
  const files = [...new Set([...positions.values()].map((place) => place.file))].map((name) => ({ name }));
  const found = judgeConfig(config)
    .filter((finding) => !isFollowUp(finding, config, positions))
    .map(({ severity, code, object, field, message, remedy }): Diagnostic => {
      const place = findPlace(positions, object.kind, object.name, field) ?? { file: '', line: 0, column: 0 };
      return { severity, code, ...place, message, remedy: remedy ?? null };
    });
  return inFileOrder(found, files);
}

/** What only follows from an upstream or an authentication that stands in the files and was refused there: saying that it is missing would mislead. */
function isFollowUp(finding: ConfigFinding, config: RealmConfig, positions: Positions): boolean {
  if (finding.object.kind !== 'route') return false;
  if (finding.code === 'route_open') {
    const { apiKey, jwt, oauth2 } = config.settings;
    const refused = Object.entries({ api_key: apiKey, jwt, oauth2 }).filter(([, block]) => block === null);
    return refused.some(([name]) => isGiven(positions, `auth.${name}`));
  }
  if (finding.field !== 'upstream') return false;
  const upstream = config.routes.find((route) => route.name === finding.object.name)?.upstream;
  if (!upstream || !('name' in upstream) || config.upstreams.some((one) => one.name === upstream.name)) return false;
  return findPlace(positions, 'upstream', upstream.name, '') !== null;
}
