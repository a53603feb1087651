import type { IssuerClient } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { collect, type Listed, moreLines } from '../../paging.ts';
import { clientColumns } from './views.ts';

interface Options {
  readonly search: string | null;
  readonly most: number;
}

export const list = command<Options, Listed<IssuerClient>, Pick<Needs, 'admin'>>({
  options: (read) => ({ search: read.text('search') ?? null, most: read.count('limit') ?? 100 }),
  run: ({ search, most }, { admin }) =>
    collect(most, (page) => admin.call('clientsList', { query: { ...(search === null ? {} : { search }), ...page } })),
  show: (listed, { search }, { nowMs }) => ({
    view: gridView(listed.items, clientColumns(nowMs)),
    names: listed.items.map((client) => client.clientId),
    after:
      listed.items.length > 0
        ? moreLines(listed)
        : search !== null
          ? [plain('no client matches')]
          : [plain('no clients yet'), plain('  Make one: fluxctl clients create --name NAME --scope SCOPE --audience NAME')],
  }),
});
