import type { QueryOf, Rotation } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../../command.ts';
import { gridView, plain } from '../../../outcome.ts';
import { collect, type Listed, moreLines } from '../../../paging.ts';
import { rotationColumns } from './views.ts';

export const list = command<{ query: QueryOf<'rotationsList'>; most: number }, Listed<Rotation>, Pick<Needs, 'admin'>>({
  options: (read) => {
    const [key, state] = [read.text('key'), read.text('state')];
    return {
      query: { ...(key === undefined ? {} : { key }), ...(state === undefined ? {} : { state: state as Rotation['state'] }) },
      most: read.count('limit') ?? 100,
    };
  },
  run: ({ query, most }, { admin }) => collect(most, (page) => admin.call('rotationsList', { query: { ...query, ...page } })),
  show: (listed, _options, { nowMs }) => ({
    view: gridView(listed.items, rotationColumns(nowMs)),
    names: listed.items.map((rotation) => rotation.id),
    after: listed.items.length > 0 ? moreLines(listed) : [plain('no rotations')],
  }),
});
