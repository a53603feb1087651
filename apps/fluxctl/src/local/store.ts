import { chmod, stat } from 'node:fs/promises';
import { usage } from '../failure.ts';
import type { Host } from '../host.ts';
import { readIfThere, replaceFile, underLock } from './lock.ts';
import { configPath } from './paths.ts';
import { readPlainYaml, type Tree, writePlainYaml } from './plain-yaml.ts';

/** A credential and the one origin it may be sent to. */
export interface Credential {
  readonly origin: string;
  /** In clear, in a file that only its owner may read; or: */
  readonly token: string | null;
  /** a file that holds it. */
  readonly tokenFile: string | null;
}
export interface Context {
  readonly server: string;
  /** null: the realm of the token. */
  readonly realm: string | null;
  readonly credential: Credential | null;
}
export interface Config {
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Context>>;
}

/** The configuration file. Reads take no lock, changes are made one process at a time. */
export interface Store {
  readonly path: string;
  read(): Promise<Config>;
  change(edit: (config: Config) => Config): Promise<Config>;
  /** Mode bits beyond the owner's, as `0644`; null when the file is private or absent. */
  looseMode(): Promise<string | null>;
}

export const EMPTY: Config = { current: null, contexts: {} };
const HEADER = '# Written by fluxctl; it may hold tokens: keep it private (0600).\n';
export const CONTEXT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);
const textOr = (value: unknown, where: string): string | null => {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  throw new TypeError(`${where} must be text`);
};

/** A field that this version does not know would be lost when it writes the file again. */
function onlyKnown(tree: Tree, known: readonly string[], where: string): void {
  const odd = Object.keys(tree).find((field) => !known.includes(field));
  if (odd !== undefined) throw new TypeError(`this fluxctl knows no field ${where}${odd}`);
}

function configOf(tree: unknown): Config {
  if (tree === null || tree === undefined) return EMPTY;
  if (!isTree(tree)) throw new TypeError('it must be a map');
  const version = tree['version'];
  if (version !== undefined && version !== 1) throw new TypeError(`version ${String(version)} is newer than this fluxctl`);
  onlyKnown(tree, ['version', 'current', 'contexts'], '');
  const contexts: Record<string, Context> = {};
  const given = tree['contexts'] ?? {};
  if (!isTree(given)) throw new TypeError('contexts must be a map');
  for (const [name, raw] of Object.entries(given)) {
    const where = `contexts.${name}`;
    if (!CONTEXT_NAME.test(name)) throw new TypeError(`${where}: a name has letters, digits, . _ and -`);
    if (!isTree(raw)) throw new TypeError(`${where} must be a map`);
    onlyKnown(raw, ['server', 'realm', 'credential'], `${where}.`);
    const server = textOr(raw['server'], `${where}.server`);
    if (server === null) throw new TypeError(`${where}.server is missing`);
    const credential = raw['credential'] ?? null;
    if (credential !== null && !isTree(credential)) throw new TypeError(`${where}.credential must be a map`);
    const origin = credential === null ? null : textOr(credential['origin'], `${where}.credential.origin`);
    contexts[name] = {
      server,
      realm: textOr(raw['realm'], `${where}.realm`),
      credential:
        credential === null || origin === null
          ? null
          : {
              origin,
              token: textOr(credential['token'], `${where}.credential.token`),
              tokenFile: textOr(credential['tokenFile'], `${where}.credential.tokenFile`),
            },
    };
  }
  return { current: textOr(tree['current'], 'current'), contexts };
}

function treeOf(config: Config): Tree {
  const contexts: Tree = {};
  for (const [name, { server, realm, credential }] of Object.entries(config.contexts)) {
    const held: Tree = {};
    if (credential !== null) {
      held['origin'] = credential.origin;
      if (credential.token !== null) held['token'] = credential.token;
      if (credential.tokenFile !== null) held['tokenFile'] = credential.tokenFile;
    }
    contexts[name] = { server, ...(realm === null ? {} : { realm }), ...(credential === null ? {} : { credential: held }) };
  }
  return { version: 1, ...(config.current === null ? {} : { current: config.current }), contexts };
}

export async function parseConfigText(content: string, path: string): Promise<Config> {
  try {
    return configOf(readPlainYaml(content) ?? (await import('yaml')).parse(content));
  } catch (error) {
    // A YAML error quotes the line, which may hold a token: only its first sentence is repeated.
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw usage(`${path} cannot be read as configuration of fluxctl`, {
      code: 'config_file_invalid',
      why: error instanceof TypeError ? why : why.replace(/:.*$/s, ''),
      hint: `Correct it, or start anew: mv ${path} ${path}.old`,
    });
  }
}

export function openStore(host: Pick<Host, 'env' | 'homeDir' | 'platform'>): Store {
  const path = configPath(host);
  const read = async (): Promise<Config> => {
    const content = await readIfThere(path);
    return content === null ? EMPTY : parseConfigText(content, path);
  };
  return {
    path,
    read,
    change: (edit) =>
      underLock(path, async () => {
        const after = edit(await read());
        await replaceFile(path, HEADER + writePlainYaml(treeOf(after)));
        await chmod(path, 0o600);
        return after;
      }),
    looseMode: async () => {
      if (host.platform === 'win32') return null;
      try {
        const mode = (await stat(path)).mode & 0o777;
        return (mode & 0o077) === 0 ? null : mode.toString(8).padStart(4, '0');
      } catch {
        return null;
      }
    },
  };
}
