import { join } from 'node:path';
import { envText, type Host } from '../host.ts';

type Place = Pick<Host, 'env' | 'homeDir' | 'platform'>;
const base = (host: Place, xdg: string, fallback: readonly string[]): string => {
  const given = envText(host, xdg);
  // The XDG specification: a relative path is invalid and is ignored.
  if (given?.startsWith('/')) return given;
  const appData = envText(host, 'APPDATA');
  return host.platform === 'win32' && appData !== undefined ? appData : join(host.homeDir, ...fallback);
};

export const configPath = (host: Place): string =>
  envText(host, 'FLUXCTL_CONFIG') ?? join(base(host, 'XDG_CONFIG_HOME', ['.config']), 'fluxctl', 'config.yaml');
export const journalPath = (host: Place): string =>
  join(base(host, 'XDG_STATE_HOME', ['.local', 'state']), 'fluxctl', 'journal.json');
