import { command, type Needs } from '../../command.ts';
import { done, none } from '../../outcome.ts';
import { contextNamed } from '../../target.ts';
import { type ContextView, viewOf } from './views.ts';

export const use = command<{ name: string }, ContextView, Pick<Needs, 'store' | 'settings'>>({
  options: (read) => ({ name: read.args[0] ?? '' }),
  run: async ({ name }, { store, settings }) => {
    const context = contextNamed(await store.read(), name, 'argument');
    if (!settings.dryRun)
      await store.change((config) => {
        contextNamed(config, name, 'argument');
        return { ...config, current: name };
      });
    return viewOf(name, context, name);
  },
  show: ({ name, server }, _options, { settings }) => ({
    view: none,
    names: [name],
    before: [done(`${settings.dryRun ? 'dry run: would use' : 'now using'} ${name} (${server})`)],
  }),
});
