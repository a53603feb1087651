import type { JwksOnNodes } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { showNodes } from './views.ts';

export const status = command<object, JwksOnNodes, Pick<Needs, 'admin'>>({
  options: () => ({}),
  run: (_options, { admin }) => admin.call('jwksStatus'),
  show: (result, _options, { nowMs }) => showNodes(result, nowMs),
});
