import type { RevisionView } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { collect, type Listed, moreLines } from '../../paging.ts';
import { showTime } from '../../units.ts';

const summaryText = (revision: RevisionView, most: number): string => {
  const shown = revision.summary.slice(0, most).map((one) => `${one.op} ${one.kind}${one.id === '' ? '' : `/${one.id}`}`);
  const more = revision.summary.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
};

export const list = command<{ most: number }, Listed<RevisionView>, Pick<Needs, 'admin'>>({
  options: (read) => ({ most: read.count('limit') ?? 20 }),
  run: ({ most }, { admin }) => collect(most, (page) => admin.call('revisionsList', { query: page })),
  show: (listed) => ({
    view: gridView(listed.items, [
      { title: 'REVISION', text: (revision) => String(revision.revision) },
      { title: 'COMMITTED', text: (revision) => showTime(revision.committedAt) },
      { title: 'ACTOR', text: (revision) => revision.actor },
      { title: 'URGENT', text: (revision) => (revision.urgent ? 'yes' : '-') },
      { title: 'CHANGES', text: (revision) => summaryText(revision, 3) },
    ]),
    names: listed.items.map((revision) => String(revision.revision)),
    after: listed.items.length > 0 ? moreLines(listed) : [plain('no revisions yet')],
  }),
});
