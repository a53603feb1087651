import type { AuditEvent } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { collect, type Listed, moreLines } from '../../paging.ts';
import { showTime } from '../../units.ts';

interface Options {
  readonly query: { readonly actor?: string; readonly action?: string; readonly target?: string };
  readonly most: number;
}

export const list = command<Options, Listed<AuditEvent>, Pick<Needs, 'admin'>>({
  options: (read) => {
    const [actor, action, target] = [read.text('actor'), read.text('action'), read.text('target')];
    return {
      query: {
        ...(actor === undefined ? {} : { actor }),
        ...(action === undefined ? {} : { action }),
        ...(target === undefined ? {} : { target }),
      },
      most: read.count('limit') ?? 50,
    };
  },
  run: ({ query, most }, { admin }) => collect(most, (page) => admin.call('auditList', { query: { ...query, ...page } })),
  show: (listed) => ({
    view: gridView(listed.items, [
      { title: 'SEQ', text: (event) => String(event.seq), wide: true },
      { title: 'AT', text: (event) => showTime(event.at) },
      { title: 'ACTOR', text: (event) => event.actor },
      { title: 'ROLE', text: (event) => event.role, wide: true },
      { title: 'ACTION', text: (event) => event.action },
      { title: 'TARGET', text: (event) => event.target },
      { title: 'OUTCOME', text: (event) => event.outcome },
      { title: 'REVISION', text: (event) => (event.revision === null ? '-' : String(event.revision)) },
      { title: 'FROM', text: (event) => event.address ?? '-' },
      { title: 'REQUEST', text: (event) => event.requestId, wide: true },
    ]),
    names: listed.items.map((event) => String(event.seq)),
    after: listed.items.length > 0 ? moreLines(listed) : [plain('no events match')],
  }),
});
