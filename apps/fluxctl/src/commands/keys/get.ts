import type { Key } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { keySheet } from './views.ts';

export const get = command<{ key: string }, Key, Pick<Needs, 'admin'>>({
  options: (read) => ({ key: read.args[0] ?? '' }),
  run: ({ key }, { admin }) => admin.call('keysGet', { path: { key } }),
  show: (key, _options, { nowMs }) => ({ view: keySheet(key, nowMs), names: [key.id] }),
});
