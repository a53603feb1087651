import { command, type Needs } from '../../command.ts';
import { done, none, plain } from '../../outcome.ts';
import { contextNamed } from '../../target.ts';
import { type ContextView, viewOf } from './views.ts';

export const remove = command<{ name: string }, ContextView, Pick<Needs, 'store' | 'settings'>>({
  options: (read) => ({ name: read.args[0] ?? '' }),
  run: async ({ name }, { store, settings }) => {
    const config = await store.read();
    const context = contextNamed(config, name, 'argument');
    if (!settings.dryRun)
      await store.change((now) => ({
        current: now.current === name ? null : now.current,
        contexts: Object.fromEntries(Object.entries(now.contexts).filter(([known]) => known !== name)),
      }));
    return viewOf(name, context, config.current);
  },
  show: ({ name, current }, _options, { settings }) => ({
    view: none,
    names: [name],
    before: [
      done(`${settings.dryRun ? 'dry run: would forget' : 'forgot'} context ${name}`),
      ...(current ? [plain('  no context is current now: fluxctl context use NAME')] : []),
    ],
  }),
});
