import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { raw } from '../../outcome.ts';

export const exportConfig = command<null, ResponseOf<'configExport'>, Pick<Needs, 'admin'>>({
  options: () => null,
  run: (_options, { admin }) => admin.call('configExport'),
  show: ({ yaml, revision }) => ({ view: raw(yaml), names: [String(revision)] }),
});
