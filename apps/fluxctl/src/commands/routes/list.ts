import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { showList } from '../../units.ts';

export const list = command<null, ResponseOf<'routesList'>, Pick<Needs, 'admin'>>({
  options: () => null,
  run: (_options, { admin }) => admin.call('routesList'),
  show: ({ items }) => ({
    view: gridView(items, [
      { title: 'NAME', text: (route) => route.name },
      { title: 'PREFIX', text: (route) => route.prefix },
      { title: 'HOST', text: (route) => route.host ?? '*' },
      { title: 'METHODS', text: (route) => showList(route.methods, 'any') },
      { title: 'AUTHENTICATION', text: (route) => route.authentication },
      { title: 'UPSTREAM', text: (route) => route.upstream ?? '-' },
      { title: 'REFUSES', text: (route) => route.refuses ?? '-' },
      { title: 'OWNER', text: (route) => route.owner ?? '-', wide: true },
      { title: 'REVISION', text: (route) => String(route.revision), wide: true },
    ]),
    names: items.map((route) => route.name),
    after:
      items.length > 0 ? [] : [plain('no routes: every request gets 404'), plain('  Make some: fluxctl apply -f fluxgate.yaml')],
  }),
});
