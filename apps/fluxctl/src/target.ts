import { join } from 'node:path';
import { EXIT } from './exit.ts';
import { Failure, usage } from './failure.ts';
import { envText, type Host } from './host.ts';
import { readIfThere } from './local/lock.ts';
import type { Config, Context, Store } from './local/store.ts';
import type { Settings } from './settings.ts';
import { didYouMean } from './suggest.ts';

/** Where requests go, and with what. */
export interface Target {
  /** Without a trailing slash. */
  readonly server: string;
  readonly origin: string;
  /** null: server came from --server or FLUXCTL_SERVER. */
  readonly context: string | null;
  readonly realm: string | null;
  readonly token: string | null;
  /** In words: `FLUXCTL_TOKEN`, `context prod`, … */
  readonly tokenSource: string;
  /** Why there is no token, if there is a reason worth telling. */
  readonly tokenProblem: string | null;
}

export function readServer(text: string, from: string): { server: string; origin: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw usage(`${from}: ${text} is not a URL`, {
      code: 'invalid_value',
      field: from,
      hint: 'Write e.g. https://gw.example.com',
    });
  }
  const refuse = (why: string): never => {
    throw usage(`${from}: ${why}`, { code: 'invalid_value', field: from, hint: 'Write e.g. https://gw.example.com' });
  };
  if (url.protocol !== 'https:' && url.protocol !== 'http:') refuse(`${url.protocol}// is not http or https`);
  if (url.username !== '' || url.password !== '') refuse('a URL must not hold a user or password');
  if (url.search !== '' || url.hash !== '') refuse('a server has no query and no fragment');
  return { server: url.origin + url.pathname.replace(/\/+$/, ''), origin: url.origin };
}

/** `.fluxctl.yaml` of the directory may name a context and nothing else: a clone must not redirect tokens. */
export async function projectContext(cwd: string): Promise<string | null> {
  const path = join(cwd, '.fluxctl.yaml');
  const content = await readIfThere(path);
  if (content === null) return null;
  const only = /^context:[ \t]*(["']?)([A-Za-z0-9._-]+)\1[ \t]*$/;
  const lines = content.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#') && line !== '---');
  const found = lines.length === 1 ? only.exec(lines[0] ?? '') : null;
  if (found) return found[2] ?? null;
  throw usage(`${path} may only name a context`, {
    code: 'project_file_invalid',
    why: 'a server or a credential there could send your token elsewhere',
    hint: 'Write one line: context: NAME',
  });
}

export function contextNamed(config: Config, name: string, from: string): Context {
  const found = Object.hasOwn(config.contexts, name) ? config.contexts[name] : undefined;
  if (found) return found;
  const known = Object.keys(config.contexts);
  throw new Failure({
    code: 'context_not_found',
    exit: EXIT.notFound,
    message: `there is no context ${name} (${from})`,
    hint:
      didYouMean(name, known) ??
      (known.length > 0 ? `Known: ${known.join(', ')}` : `fluxctl context add ${name} --server https://…`),
  });
}

/** Name of the context in use and why it is: flag, variable, project file, current. */
export async function contextInUse(
  settings: Settings,
  host: Host,
  read: () => Promise<Config>,
): Promise<{ name: string; from: string } | null> {
  if (settings.context !== null) return { name: settings.context, from: '--context' };
  const env = envText(host, 'FLUXCTL_CONTEXT');
  if (env !== undefined) return { name: env, from: 'FLUXCTL_CONTEXT' };
  const project = await projectContext(host.cwd);
  if (project !== null) return { name: project, from: '.fluxctl.yaml' };
  const current = (await read()).current;
  return current === null ? null : { name: current, from: 'current context' };
}

async function tokenFromFile(path: string, from: string): Promise<string> {
  const content = await readIfThere(path).catch((error: unknown) => {
    throw usage(`${from}: ${path} cannot be read`, { code: 'token_file', why: error instanceof Error ? error.message : null });
  });
  if (content === null) throw usage(`${from}: ${path} does not exist`, { code: 'token_file' });
  const token = content.trim();
  if (token === '' || /\s/.test(token)) throw usage(`${from}: ${path} does not hold one token`, { code: 'token_file' });
  return token;
}

/** A token is printable ASCII without spaces; anything else would break the header it travels in. */
function checkedToken(target: Target): Target {
  if (target.token !== null && !/^[\x21-\x7e]+$/.test(target.token))
    throw usage(`${target.tokenSource} does not hold one token`, {
      code: 'invalid_token',
      hint: 'A token looks like fga_live_…',
    });
  return target;
}

export const resolveTarget = async (settings: Settings, host: Host, store: Store): Promise<Target> =>
  checkedToken(await findTarget(settings, host, store));

/** With FLUXCTL_TOKEN and a server given, the configuration file is not opened at all. */
async function findTarget(settings: Settings, host: Host, store: Store): Promise<Target> {
  let config: Config | null = null;
  const read = async (): Promise<Config> => {
    config ??= await store.read();
    return config;
  };
  const envServer = envText(host, 'FLUXCTL_SERVER');
  const envToken = envText(host, 'FLUXCTL_TOKEN');
  const envTokenFile = envText(host, 'FLUXCTL_TOKEN_FILE');
  const explicit = settings.server ?? (settings.context === null ? (envServer ?? null) : null);
  const hasEnvToken = envToken !== undefined || envTokenFile !== undefined;

  const used = explicit !== null && hasEnvToken && settings.context === null ? null : await contextInUse(settings, host, read);
  const context = used === null ? null : contextNamed(await read(), used.name, used.from);
  const given = explicit ?? context?.server ?? null;
  if (given === null)
    throw new Failure({
      code: 'no_server',
      exit: EXIT.usage,
      message: 'there is no server to talk to',
      why: 'no --server, no FLUXCTL_SERVER, no current context',
      hint: 'fluxctl login --server https://gw.example.com, or npm start for a local one',
    });
  const { server, origin } = readServer(
    given,
    settings.server !== null ? '--server' : explicit !== null ? 'FLUXCTL_SERVER' : `context ${used?.name}`,
  );
  const where = {
    server,
    origin,
    context: explicit === null || context?.server === given ? (used?.name ?? null) : null,
    realm: settings.realm ?? (explicit === null || context?.server === given ? (context?.realm ?? null) : null),
  };
  if (envToken !== undefined) return { ...where, token: envToken.trim(), tokenSource: 'FLUXCTL_TOKEN', tokenProblem: null };
  if (envTokenFile !== undefined)
    return {
      ...where,
      token: await tokenFromFile(envTokenFile, 'FLUXCTL_TOKEN_FILE'),
      tokenSource: 'FLUXCTL_TOKEN_FILE',
      tokenProblem: null,
    };
  const held = context?.credential ?? null;
  if (held === null)
    return {
      ...where,
      token: null,
      tokenSource: 'none',
      tokenProblem: used === null ? null : `context ${used.name} has no token`,
    };
  if (held.origin !== origin)
    return {
      ...where,
      token: null,
      tokenSource: 'none',
      tokenProblem: `the token of context ${used?.name} was stored for ${held.origin} and is not sent to ${origin}`,
    };
  const token = held.token ?? (held.tokenFile === null ? null : await tokenFromFile(held.tokenFile, `context ${used?.name}`));
  return { ...where, token, tokenSource: `context ${used?.name}`, tokenProblem: null };
}
