import { type FlagSpec, flag } from './types.ts';

export const OUTPUTS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Output = (typeof OUTPUTS)[number];

/** Flags of every command; they work before and after it. */
export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  flag('output', 'FORMAT', 'table, wide, json, yaml or name; a terminal never changes it', { short: 'o', choices: OUTPUTS }),
  flag('field', 'PATH', 'print one value of the JSON document, e.g. key.id or items.0.name'),
  flag('context', 'NAME', 'use this context instead of the current one'),
  flag('server', 'URL', 'admin API to talk to; a stored token never goes to another origin'),
  flag('realm', 'NAME', 'realm to work in (default: that of the context)'),
  flag('dry-run', null, 'change nothing; show what would be sent (apply: what would change)'),
  flag('wait', null, 'wait until every live node has it (the default), or not', { negatable: true }),
  flag('timeout', 'TIME', 'how long to wait, e.g. 30s or 5m (default 60s)'),
  flag('no-input', null, 'never ask anything'),
  flag('yes', null, 'agree to every confirmation', { short: 'y' }),
  flag('quiet', null, 'say nothing on stderr but errors', { short: 'q' }),
  flag('verbose', null, 'say more on stderr', { short: 'v' }),
  flag('debug', null, 'print method, path, status, time and request id; no secrets'),
  flag('color', 'WHEN', 'auto, always or never', { choices: ['auto', 'always', 'never'] }),
  flag('help', null, 'show help', { short: 'h' }),
];
