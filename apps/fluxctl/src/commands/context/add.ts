import { resolve } from 'node:path';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { Failure, usage } from '../../failure.ts';
import { CONTEXT_NAME, type Config, type Context } from '../../local/store.ts';
import { done, none } from '../../outcome.ts';
import { readServer } from '../../target.ts';
import { type ContextView, viewOf } from './views.ts';

interface Options {
  readonly name: string;
  readonly tokenStdin: boolean;
  readonly tokenFile: string | null;
  readonly use: boolean;
  readonly replace: boolean;
}

/** The same context again is no conflict, another server under its name is. */
function withContext(config: Config, options: Options, context: Context): Config {
  const there = config.contexts[options.name];
  if (there !== undefined && there.server !== context.server && !options.replace)
    throw new Failure({
      code: 'context_exists',
      exit: EXIT.conflict,
      message: `context ${options.name} exists, for ${there.server}`,
      hint: 'Choose another name, or add --replace',
    });
  const credential = context.credential ?? (there?.server === context.server ? (there?.credential ?? null) : null);
  return {
    current: options.use || config.current === null ? options.name : config.current,
    contexts: { ...config.contexts, [options.name]: { ...context, credential } },
  };
}

export const add = command<Options, ContextView, Pick<Needs, 'settings' | 'host' | 'store' | 'files'>>({
  options: (read) => {
    const name = read.args[0] ?? '';
    if (!CONTEXT_NAME.test(name)) throw usage(`${name} cannot be the name of a context`, { hint: 'Letters, digits, . _ and -' });
    if (read.on('token-stdin') && read.text('token-file') !== undefined) read.wrong('token-file', 'contradicts --token-stdin');
    return {
      name,
      tokenStdin: read.on('token-stdin'),
      tokenFile: read.text('token-file') ?? null,
      use: read.on('use'),
      replace: read.on('replace'),
    };
  },
  run: async (options, { settings, host, store, files }) => {
    if (settings.server === null)
      throw usage('missing: --server', {
        code: 'missing_input',
        field: '--server',
        hint: `fluxctl context add ${options.name} --server https://gw.example.com`,
      });
    const { server, origin } = readServer(settings.server, '--server');
    let token: string | null = null;
    if (options.tokenStdin) {
      token = (await files.readStdin()).trim();
      if (token === '' || /\s/.test(token)) throw usage('stdin does not hold one token', { code: 'invalid_token' });
    }
    const tokenFile = options.tokenFile === null ? null : resolve(host.cwd, options.tokenFile);
    const credential = token === null && tokenFile === null ? null : { origin, token, tokenFile };
    const context: Context = { server, realm: settings.realm, credential };
    const after = settings.dryRun
      ? withContext(await store.read(), options, context)
      : await store.change((config) => withContext(config, options, context));
    return viewOf(options.name, after.contexts[options.name] ?? context, after.current);
  },
  show: (context, _options, { settings }) => ({
    view: none,
    names: [context.name],
    before: [
      done(
        `${settings.dryRun ? 'dry run: would save' : 'saved'} context ${context.name} (${context.server})${context.current ? ', current' : ''}`,
      ),
    ],
  }),
});
