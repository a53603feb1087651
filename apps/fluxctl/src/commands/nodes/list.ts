import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { nodeColumns } from './views.ts';

export const list = command<null, ResponseOf<'nodesList'>, Pick<Needs, 'admin'>>({
  options: () => null,
  run: (_options, { admin }) => admin.call('nodesList'),
  show: (listed, _options, { nowMs }) => ({
    view: gridView(listed.items, nodeColumns(nowMs)),
    names: listed.items.map((node) => node.name),
    after:
      listed.items.length > 0
        ? []
        : [
            plain('no node has joined yet'),
            plain('  A token for one: fluxctl nodes token create --name NAME --secret-to file:node.token'),
          ],
  }),
});
