import type { Rotation } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../../command.ts';
import { dim } from '../../../outcome.ts';
import { rotationSheet } from './views.ts';

export const status = command<{ rotation: string }, Rotation, Pick<Needs, 'admin'>>({
  options: (read) => ({ rotation: read.args[0] ?? '' }),
  run: ({ rotation }, { admin }) => admin.call('rotationsGet', { path: { rotation } }),
  show: (rotation, _options, { nowMs }) => ({
    view: rotationSheet(rotation, nowMs),
    names: [rotation.id],
    after:
      rotation.state === 'retiring'
        ? [dim(`End the old version: fluxctl keys rotations finish ${rotation.id} --when-idle 10m`)]
        : [],
  }),
});
