import type { Key, QueryOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { collect, type Listed, moreLines } from '../../paging.ts';
import { keyColumns } from './views.ts';

interface Options {
  readonly query: QueryOf<'keysList'>;
  readonly most: number;
}

export const list = command<Options, Listed<Key>, Pick<Needs, 'admin'>>({
  options: (read) => {
    const expiringWithinMs = read.durationMs('expiring');
    const unusedForMs = read.durationMs('unused');
    const [search, scope, state] = [read.text('search'), read.text('scope'), read.text('state')];
    return {
      query: {
        ...(search === undefined ? {} : { search }),
        ...(scope === undefined ? {} : { scope }),
        ...(state === undefined ? {} : { state: state as NonNullable<QueryOf<'keysList'>['state']> }),
        ...(expiringWithinMs === undefined ? {} : { expiringWithinMs }),
        ...(unusedForMs === undefined ? {} : { unusedForMs }),
        ...(read.on('due') ? { due: 'true' as const } : {}),
      },
      most: read.on('all') ? Number.POSITIVE_INFINITY : (read.count('limit') ?? 100),
    };
  },
  run: ({ query, most }, { admin }) => collect(most, (page) => admin.call('keysList', { query: { ...query, ...page } })),
  show: (listed, { query }, { nowMs }) => ({
    view: gridView(listed.items, keyColumns(nowMs)),
    names: listed.items.map((key) => key.id),
    after:
      listed.items.length > 0
        ? moreLines(listed)
        : Object.keys(query).length > 0
          ? [plain('no key matches')]
          : [plain('no keys yet'), plain('  Make one: fluxctl keys generate --name NAME --scope SCOPE')],
  }),
});
