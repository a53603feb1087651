import type { Whoami } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { usage } from '../../failure.ts';
import { envText } from '../../host.ts';
import { CONTEXT_NAME } from '../../local/store.ts';
import { done, none, plain, warn } from '../../outcome.ts';
import { contextInUse, readServer } from '../../target.ts';
import { askWith } from '../../whoami.ts';

interface LoggedIn {
  readonly context: string;
  readonly server: string;
  readonly who: Whoami;
  readonly store: string;
  readonly shadowedBy: string | null;
}

/** `https://gw.example.com:8443` → `gw.example.com`; the name of a context made by a login. */
const nameFor = (server: string): string =>
  new URL(server).hostname.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[-.]+/, '') || 'default';

export const login = command<{ tokenStdin: boolean }, LoggedIn, Pick<Needs, 'settings' | 'host' | 'store' | 'files' | 'prompt'>>({
  options: (read) => ({ tokenStdin: read.on('token-stdin') }),
  run: async ({ tokenStdin }, { settings, host, store, files, prompt }) => {
    const given = settings.server ?? (settings.context === null ? envText(host, 'FLUXCTL_SERVER') : undefined);
    const used =
      settings.context ?? (given === undefined ? ((await contextInUse(settings, host, store.read))?.name ?? null) : null);
    const known = used === null ? undefined : (await store.read()).contexts[used];
    const missing = [
      ...(given === undefined && known === undefined ? ['--server URL'] : []),
      ...(tokenStdin || prompt.interactive ? [] : ['--token-stdin']),
    ];
    if (missing.length > 0)
      throw usage(`missing: ${missing.map((flag) => flag.split(' ')[0]).join(', ')}`, {
        code: 'missing_input',
        hint: `fluxctl login ${given !== undefined ? `--server ${given} ` : known !== undefined ? `--context ${used} ` : '--server https://gw.example.com '}--token-stdin < admin.token`,
      });
    const { server, origin } = readServer(given ?? known?.server ?? '', '--server');
    const name = used ?? nameFor(server);
    if (!CONTEXT_NAME.test(name)) throw usage(`${name} cannot be the name of a context`, { hint: 'Letters, digits, . _ and -' });
    const raw =
      tokenStdin && !(host.stdin.isTTY === true && prompt.interactive)
        ? await files.readStdin()
        : await prompt.password(`Admin token for ${server}`);
    const token = raw.trim();
    if (token === '' || /\s/.test(token))
      throw usage('that is not one token', {
        code: 'invalid_token',
        hint: 'A token looks like fga_live_…; on the host of the control plane: fluxgate-control-plane admin create --name N',
      });
    const who = await askWith(
      { server, origin, context: name, realm: settings.realm, token, tokenSource: 'the token just given', tokenProblem: null },
      host,
    );
    if (!settings.dryRun)
      await store.change((config) => ({
        current: name,
        contexts: {
          ...config.contexts,
          [name]: { server, realm: settings.realm ?? who.realm, credential: { origin, token, tokenFile: null } },
        },
      }));
    const shadowedBy = ['FLUXCTL_TOKEN', 'FLUXCTL_TOKEN_FILE'].find((variable) => envText(host, variable) !== undefined) ?? null;
    return { context: name, server, who, store: store.path, shadowedBy };
  },
  show: ({ context, server, who, store, shadowedBy }, _options, { settings }) => ({
    view: none,
    names: [context],
    before: [
      done(`${who.actor}, role ${who.role}, realm ${who.realm} · ${server}`),
      plain(
        settings.dryRun
          ? '  dry run: nothing was stored'
          : `  context ${context} is current · token stored in clear in ${store} (0600)`,
      ),
      ...(shadowedBy === null ? [] : [warn(`${shadowedBy} is set and will be used instead of this login`)]),
    ],
  }),
});
