import type { IssuerStatus } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { plain, warn } from '../../outcome.ts';
import { showDuration, showTime } from '../../units.ts';
import { keysView } from './issuer-views.ts';

const STEPS = {
  stage: 'a new key is published',
  promote: 'the next key signs',
  retire: 'the previous key leaves the key set',
} as const;

export const keys = command<null, IssuerStatus, Pick<Needs, 'admin'>>({
  options: () => null,
  run: (_options, { admin }) => admin.call('jwksIssuerStatus'),
  show: (status, _options, { nowMs }) => ({
    view: keysView(status, nowMs),
    names: status.keys.map(({ kid }) => kid),
    after: [
      status.issuer === null
        ? warn('the issuer has no name, so it makes no tokens: set FLUXGATE_ISSUER at the control plane')
        : plain(`issuer ${status.issuer} · keys at ${status.jwksUri ?? '-'}`),
      plain(
        status.next === null
          ? 'rotated by hand only: fluxctl jwks rotate'
          : `${showTime(status.next.at)}: ${STEPS[status.next.step]}${status.rotateEveryMs === null ? '' : ` (rotates every ${showDuration(status.rotateEveryMs)})`}`,
      ),
    ],
  }),
});
