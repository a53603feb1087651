import type { SecretEntry } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { collect, type Listed, moreLines } from '../../paging.ts';
import { showTime } from '../../units.ts';

export const list = command<{ prefix: string | undefined; most: number }, Listed<SecretEntry>, Pick<Needs, 'admin'>>({
  options: (read) => ({ prefix: read.text('prefix'), most: read.count('limit') ?? 100 }),
  run: ({ prefix, most }, { admin }) =>
    collect(most, (page) => admin.call('secretsList', { query: { ...page, ...(prefix === undefined ? {} : { prefix }) } })),
  show: (listed) => ({
    view: gridView(listed.items, [
      { title: 'PATH', text: (entry) => entry.path },
      { title: 'FIELD', text: (entry) => entry.field },
      { title: 'VERSION', text: (entry) => String(entry.version) },
      { title: 'UPDATED', text: (entry) => showTime(entry.updatedAt) },
      { title: 'BY', text: (entry) => entry.updatedBy },
    ]),
    names: listed.items.map((entry) => `${entry.path}#${entry.field}`),
    after: listed.items.length > 0 ? moreLines(listed) : [plain('no entries')],
  }),
});
