import { resolve } from 'node:path';

export interface Config {
  readonly gatewayPort: number;
  readonly adminPort: number;
  readonly statusPort: number;
  readonly samplePort: number;
  readonly dataDir: string;
  readonly workers: number | null;
  /** The checkout: where the other apps' dist folders are. */
  readonly home: string;
}

export interface ConfigProblem {
  readonly name: string;
  readonly why: string;
  readonly remedy: string;
}

/** Environment of `npm start`: name, default, meaning. The README's table is made from it. */
export const settings = [
  { name: 'FLUXGATE_GATEWAY_PORT', fallback: '8080', meaning: 'port of the gateway on 127.0.0.1' },
  { name: 'FLUXGATE_ADMIN_PORT', fallback: '8081', meaning: 'port of the admin API on 127.0.0.1' },
  { name: 'FLUXGATE_STATUS_PORT', fallback: '8082', meaning: "port of the node's /livez, /readyz and /metrics" },
  { name: 'FLUXGATE_SAMPLE_PORT', fallback: '8083', meaning: 'port of the sample upstream' },
  { name: 'FLUXGATE_DATA_DIR', fallback: '.fluxgate', meaning: 'where the embedded database, keys and snapshots live' },
  { name: 'FLUXGATE_WORKERS', fallback: 'one per core', meaning: 'request workers of the node' },
] as const;

/** Reads the whole environment and names every mistake at once. */
export function readConfig(env: Readonly<Record<string, string | undefined>>, home: string): Config | ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const number = (name: string, fallback: number | null, max: number): number | null => {
    const text = env[name];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    problems.push({
      name,
      why: `"${text}" is not a whole number from 1 to ${max}`,
      remedy: `Set ${name} to a number, or unset it for ${fallback ?? 'the default'}.`,
    });
    return fallback;
  };
  const gatewayPort = number('FLUXGATE_GATEWAY_PORT', 8080, 65_535) ?? 8080;
  const adminPort = number('FLUXGATE_ADMIN_PORT', 8081, 65_535) ?? 8081;
  const statusPort = number('FLUXGATE_STATUS_PORT', 8082, 65_535) ?? 8082;
  const samplePort = number('FLUXGATE_SAMPLE_PORT', 8083, 65_535) ?? 8083;
  const workers = number('FLUXGATE_WORKERS', null, 64);
  const named = [
    ['FLUXGATE_GATEWAY_PORT', gatewayPort],
    ['FLUXGATE_ADMIN_PORT', adminPort],
    ['FLUXGATE_STATUS_PORT', statusPort],
    ['FLUXGATE_SAMPLE_PORT', samplePort],
  ] as const;
  for (const [index, [name, port]] of named.entries()) {
    const earlier = named.slice(0, index).find(([, other]) => other === port);
    if (earlier !== undefined)
      problems.push({ name, why: `${port} is also ${earlier[0]}`, remedy: 'Give each listener a port of its own.' });
  }
  if (problems.length > 0) return problems;
  const dir = env['FLUXGATE_DATA_DIR'];
  const dataDir = resolve(home, dir === undefined || dir === '' ? '.fluxgate' : dir);
  return Object.freeze({ gatewayPort, adminPort, statusPort, samplePort, dataDir, workers, home });
}
