import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { tokenColumns } from '../nodes/views.ts';

export const list = command<null, ResponseOf<'adminTokensList'>, Pick<Needs, 'admin'>>({
  options: () => null,
  run: (_options, { admin }) => admin.call('adminTokensList'),
  show: ({ items }) => ({
    view: gridView(items, tokenColumns),
    names: items.map((token) => token.kid),
    after: items.length > 0 ? [] : [plain('no admin tokens')],
  }),
});
