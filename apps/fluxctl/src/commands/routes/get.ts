import type { RouteView } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { sheet } from '../../outcome.ts';
import { showList } from '../../units.ts';

export const get = command<{ route: string }, RouteView, Pick<Needs, 'admin'>>({
  options: (read) => ({ route: read.args[0] ?? '' }),
  run: ({ route }, { admin }) => admin.call('routesGet', { path: { route } }),
  show: (route) => ({
    names: [route.name],
    view: sheet([
      ['Name', route.name],
      ['Prefix', route.prefix],
      ['Host', route.host ?? 'any'],
      ['Methods', showList(route.methods, 'any')],
      ['Authentication', route.authentication],
      ['Upstream', route.upstream ?? '-'],
      ['Refuses', route.refuses ?? '-'],
      ['Owner', route.owner ?? '-'],
      ['Labels', showList(Object.entries(route.labels).map(([name, value]) => `${name}=${value}`))],
      ['Revision', String(route.revision)],
      ['Middleware', JSON.stringify(route.spec['middleware'] ?? [])],
    ]),
  }),
});
