import { type Failure, usage } from './failure.ts';
import { envFlag, envText, type Host } from './host.ts';
import type { Parsed } from './parse.ts';
import { OUTPUTS, type Output } from './specs/globals.ts';
import { didYouMean } from './suggest.ts';
import { readDuration } from './units.ts';

/** The global flags and their variables, read once. */
export interface Settings {
  readonly output: Output;
  readonly field: string | null;
  readonly context: string | null;
  readonly server: string | null;
  readonly realm: string | null;
  readonly dryRun: boolean;
  readonly noInput: boolean;
  readonly yes: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly debug: boolean;
  readonly color: 'auto' | 'always' | 'never';
  /** undefined: neither --wait nor --no-wait. */
  readonly wait: boolean | undefined;
  /** null: not given. */
  readonly timeoutMs: number | null;
}

const isOutput = (text: string): text is Output => (OUTPUTS as readonly string[]).includes(text);

export function readOutput(text: string, from: string): Output {
  if (isOutput(text)) return text;
  throw usage(`${from}: ${text} is not an output format`, {
    code: 'invalid_value',
    field: from,
    hint: didYouMean(text, OUTPUTS) ?? `One of ${OUTPUTS.join(', ')}`,
  });
}

function readTimeoutMs(text: string, from: string): number | Failure {
  const found = readDuration(text);
  if (found.ok && found.value > 0) return found.value;
  return usage(`${from}: ${found.ok ? 'must be more than 0' : found.why}`, {
    code: 'invalid_value',
    field: from,
    hint: found.ok ? 'write e.g. 60s' : found.remedy,
  });
}

export function readSettings(parsed: Parsed, host: Pick<Host, 'env'>): Settings {
  const text = (flag: string): string | null => {
    const value = parsed.flags[flag];
    return typeof value === 'string' ? value : null;
  };
  const on = (flag: string): boolean => parsed.flags[flag] === true;
  const fromEnv = envText(host, 'FLUXCTL_OUTPUT');
  const flagOutput = text('output');
  const output =
    flagOutput !== null
      ? readOutput(flagOutput, '--output')
      : fromEnv !== undefined
        ? readOutput(fromEnv, 'FLUXCTL_OUTPUT')
        : 'table';
  const timeoutText = text('timeout');
  const timeoutEnv = envText(host, 'FLUXCTL_TIMEOUT');
  const timeout =
    timeoutText !== null
      ? readTimeoutMs(timeoutText, '--timeout')
      : timeoutEnv !== undefined
        ? readTimeoutMs(timeoutEnv, 'FLUXCTL_TIMEOUT')
        : null;
  if (timeout !== null && typeof timeout !== 'number') throw timeout;
  const wait = parsed.flags['wait'];
  return {
    output,
    field: text('field'),
    context: text('context'),
    server: text('server'),
    realm: text('realm'),
    dryRun: on('dry-run'),
    noInput: on('no-input') || envFlag(host, 'FLUXCTL_NO_INPUT') || envFlag(host, 'CI'),
    yes: on('yes'),
    quiet: on('quiet'),
    verbose: on('verbose'),
    debug: on('debug') || envFlag(host, 'FLUXCTL_DEBUG'),
    color: (text('color') ?? 'auto') as Settings['color'],
    wait: typeof wait === 'boolean' ? wait : undefined,
    timeoutMs: timeout,
  };
}

/** Formats for programs: no talk on stderr but warnings, no prompts. */
export const isMachine = (settings: Pick<Settings, 'output' | 'field'>): boolean =>
  settings.field !== null || (settings.output !== 'table' && settings.output !== 'wide');
