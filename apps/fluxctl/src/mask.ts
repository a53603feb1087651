import { envFlag, type Host } from './host.ts';

/** In GitHub Actions: hides a secret in the log from here on. Goes to stderr, because stdout may be captured. */
export const maskLines = (secrets: readonly string[], host: Pick<Host, 'env'>): string =>
  envFlag(host, 'GITHUB_ACTIONS') ? secrets.map((secret) => `::add-mask::${secret}\n`).join('') : '';
