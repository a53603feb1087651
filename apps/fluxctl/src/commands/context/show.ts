import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { Failure } from '../../failure.ts';
import { sheet } from '../../outcome.ts';
import { contextInUse, contextNamed } from '../../target.ts';
import { type ContextView, viewOf } from './views.ts';

type Shown = ContextView & { readonly because: string };

export const show = command<{ name: string | undefined }, Shown, Pick<Needs, 'settings' | 'host' | 'store'>>({
  options: (read) => ({ name: read.args[0] }),
  run: async ({ name }, { settings, host, store }) => {
    const config = await store.read();
    const used =
      name === undefined ? await contextInUse(settings, host, () => Promise.resolve(config)) : { name, from: 'argument' };
    if (used === null)
      throw new Failure({
        code: 'no_context',
        exit: EXIT.notFound,
        message: 'no context is in use',
        hint: 'fluxctl context list, or fluxctl login --server https://gw.example.com',
      });
    return { ...viewOf(used.name, contextNamed(config, used.name, used.from), config.current), because: used.from };
  },
  show: (context) => ({
    names: [context.name],
    view: sheet([
      ['Name', context.name],
      ['Because', context.because],
      ['Server', context.server],
      ['Realm', context.realm ?? '-'],
      ['Token', context.tokenFile ?? context.token],
    ]),
  }),
});
