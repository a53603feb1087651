import type { RotatedIssuerKeys } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done, plain, warn } from '../../outcome.ts';
import { showDistance, showTime } from '../../units.ts';
import { keysView } from './issuer-views.ts';

interface Options {
  readonly now: boolean;
  readonly compromised: boolean;
}

export const rotate = command<Options, RotatedIssuerKeys, Pick<Needs, 'admin' | 'settings' | 'prompt'>>({
  options: (read) => ({ now: read.on('now'), compromised: read.on('compromised') }),
  run: async (body, { admin, settings, prompt }) => {
    if (body.compromised && !settings.dryRun)
      await prompt.confirm('End every token made so far and sign with a new key at once?');
    else if (body.now && !settings.dryRun)
      await prompt.confirm('Sign with another key at once, though verifiers may not know it yet?');
    return admin.call('jwksRotate', { body, ...(settings.dryRun ? { query: { dryRun: 'true' as const } } : {}) });
  },
  show: ({ outcome, status, warnings }, _options, { settings, nowMs }) => {
    const [current, next] = [
      status.keys.find(({ state }) => state === 'current'),
      status.keys.find(({ state }) => state === 'next'),
    ];
    const from =
      next === undefined
        ? ''
        : `${showTime(next.signsFrom)}${Date.parse(next.signsFrom) > nowMs ? ` (in ${showDistance(next.signsFrom, nowMs)})` : ''}`;
    const would = settings.dryRun ? 'dry run: ' : '';
    const line =
      outcome === 'promoted'
        ? done(`${would}signs with ${current?.kid ?? '-'} now`)
        : outcome === 'staged'
          ? done(`${would}published ${next?.kid ?? '-'}; it signs from ${from} on, by itself`)
          : plain(`${would}a rotation is under way: ${next?.kid ?? '-'} signs from ${from} on, by itself`);
    return { view: keysView(status, nowMs), names: status.keys.map(({ kid }) => kid), before: [line, ...warnings.map(warn)] };
  },
});
