import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { type ContextView, viewOf } from './views.ts';

export const list = command<null, { items: ContextView[] }, Pick<Needs, 'store'>>({
  options: () => null,
  run: async (_options, { store }) => {
    const { current, contexts } = await store.read();
    return { items: Object.entries(contexts).map(([name, context]) => viewOf(name, context, current)) };
  },
  show: ({ items }) => ({
    view: gridView(items, [
      { title: 'CURRENT', text: (one) => (one.current ? '*' : '') },
      { title: 'NAME', text: (one) => one.name },
      { title: 'SERVER', text: (one) => one.server },
      { title: 'REALM', text: (one) => one.realm ?? '-' },
      { title: 'TOKEN', text: (one) => one.tokenFile ?? one.token },
    ]),
    names: items.map((one) => one.name),
    after: items.length > 0 ? [] : [plain('no contexts yet'), plain('  Make one: fluxctl login --server https://gw.example.com')],
  }),
});
