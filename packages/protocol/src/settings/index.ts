import { parse as parseYaml } from 'yaml';

/** What one setting of a server says of itself. Reading, the unknown-name check and the reference pages all come from a table of these. */
export interface Setting {
  /** Name in the YAML file named by FLUXGATE_CONFIG. */
  readonly yaml: string;
  readonly purpose: string;
  readonly fallback: string | null;
  /** How the fallback is written in the reference. */
  readonly shown?: string;
  readonly required: boolean;
  /** The YAML file may write it as a list. */
  readonly list?: true;
  readonly read: (text: string) => SettingRead;
}

export type SettingRead = { readonly value: string } | { readonly why: string; readonly remedy: string };

export interface SettingProblem {
  /** The setting, by its environment name. */
  readonly name: string;
  readonly why: string;
  readonly remedy: string;
}

export type ReadFile = (path: string) => string;
export type Environment = Readonly<Record<string, string | undefined>>;

/** Accepts every text. */
export const anyText = (text: string): SettingRead => ({ value: text });

/** Loopback by name or number: what needs no TLS. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Reads a whole table of settings: the YAML file named by FLUXGATE_CONFIG, overruled by the environment, then the fallbacks.
 * Everything that is wrong comes back at once; no problem repeats a value of the file.
 */
export function readSettings(
  settings: Readonly<Record<string, Setting>>,
  env: Environment,
  readFile: ReadFile,
): { readonly values: ReadonlyMap<string, string>; readonly problems: SettingProblem[] } {
  const path = env['FLUXGATE_CONFIG'];
  const file =
    path === undefined || path === '' ? { values: new Map<string, string>(), problems: [] } : readYaml(settings, path, readFile);
  const problems: SettingProblem[] = [...file.problems];
  const values = new Map<string, string>();
  for (const [name, setting] of Object.entries(settings)) {
    const given = env[name] === undefined || env[name] === '' ? file.values.get(name) : env[name];
    const text = given ?? setting.fallback;
    if (text === null) {
      if (setting.required) {
        const remedy = `${setting.purpose}; set ${name}, or ${setting.yaml} in the file named by FLUXGATE_CONFIG`;
        problems.push({ name, why: 'it is not set', remedy });
      }
      continue;
    }
    const read = setting.read(text);
    if ('value' in read) values.set(name, read.value);
    else problems.push({ name, ...read });
  }
  return { values, problems };
}

/** The YAML file as environment names → text, and what is wrong with it. */
function readYaml(
  settings: Readonly<Record<string, Setting>>,
  path: string,
  readFile: ReadFile,
): { values: Map<string, string>; problems: SettingProblem[] } {
  const values = new Map<string, string>();
  const problem = (why: string, remedy: string) => ({ values, problems: [{ name: 'FLUXGATE_CONFIG', why, remedy }] });
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const { code = 'unknown' } = error as { code?: string };
    return problem(`${path} cannot be read (${code})`, 'name a readable YAML file');
  }
  let content: unknown;
  try {
    content = parseYaml(text) ?? {};
  } catch (error) {
    const place = /at line \d+, column \d+/.exec(String(error))?.[0] ?? '';
    return problem(`${path} is not YAML ${place}`.trimEnd(), 'correct the file');
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return problem(`${path} is not a mapping`, 'write `name: value` lines');
  const problems: SettingProblem[] = [];
  const names = new Map(Object.entries(settings).map(([name, setting]) => [setting.yaml, name]));
  for (const [key, value] of Object.entries(content)) {
    const name = names.get(key);
    const mayList = name !== undefined && settings[name]?.list === true;
    const one = mayList && Array.isArray(value) ? value.map(String).join(',') : value;
    if (name === undefined) {
      problems.push({ name: key, why: `${path} has no setting of this name`, remedy: `one of ${[...names.keys()].join(', ')}` });
    } else if (typeof one !== 'string' && typeof one !== 'number') {
      problems.push({ name, why: `${key} in ${path} is not a text or a number`, remedy: 'write one value' });
    } else values.set(name, String(one));
  }
  return { values, problems };
}
