import { command, type Needs } from '../../command.ts';
import { envText } from '../../host.ts';
import { done, none, plain, warn } from '../../outcome.ts';
import { contextInUse, contextNamed } from '../../target.ts';

interface LoggedOut {
  readonly contexts: readonly string[];
  readonly stillSet: string | null;
}

export const logout = command<{ all: boolean }, LoggedOut, Pick<Needs, 'settings' | 'host' | 'store'>>({
  options: (read) => ({ all: read.on('all') }),
  run: async ({ all }, { settings, host, store }) => {
    const config = await store.read();
    const used = all ? null : await contextInUse(settings, host, () => Promise.resolve(config));
    if (used !== null) contextNamed(config, used.name, used.from);
    const names = all ? Object.keys(config.contexts) : used === null ? [] : [used.name];
    const held = names.filter((name) => config.contexts[name]?.credential != null);
    if (held.length > 0 && !settings.dryRun)
      await store.change((now) => ({
        ...now,
        contexts: Object.fromEntries(
          Object.entries(now.contexts).map(([name, context]) => [
            name,
            held.includes(name) ? { ...context, credential: null } : context,
          ]),
        ),
      }));
    const stillSet = ['FLUXCTL_TOKEN', 'FLUXCTL_TOKEN_FILE'].find((variable) => envText(host, variable) !== undefined) ?? null;
    return { contexts: held, stillSet };
  },
  show: ({ contexts, stillSet }) => ({
    view: none,
    names: contexts,
    before: [
      contexts.length === 0
        ? plain('no token was stored')
        : done(`forgot the token of ${contexts.join(', ')}; it stays valid until it is revoked`),
      ...(stillSet === null ? [] : [warn(`${stillSet} is set and still used`)]),
    ],
  }),
});
