import { EXIT_MEANINGS } from './exit.ts';
import { wordsAfter } from './locate.ts';
import { GLOBAL_FLAGS } from './specs/globals.ts';
import { GROUPS, keyOf, NOUN_SUMMARY, SPECS } from './specs/index.ts';
import type { ArgSpec, CommandSpec, FlagSpec } from './specs/types.ts';

/** Help is made from the specs alone: no parser, no colour, 80 columns. */
const WIDTH = 80;

/** Words of `text` in lines of at most `width`, each but the first indented. */
export function wrapped(text: string, indent: number, width = WIDTH): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && indent + line.length + 1 + word.length > width) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}

function rows(pairs: readonly (readonly [string, string])[], most = 26): string {
  const left = Math.min(most, Math.max(...pairs.map(([name]) => name.length)));
  return pairs
    .map(([name, text]) => {
      const gap = name.length > left ? `\n${' '.repeat(left + 4)}` : ' '.repeat(left - name.length + 2);
      return `  ${name}${gap}${wrapped(text, left + 4)}`;
    })
    .join('\n');
}

const argText = (arg: ArgSpec): string => {
  const name = arg.many ? `${arg.name}…` : arg.name;
  return arg.required ? name : `[${name}]`;
};
const flagText = (flag: FlagSpec): string => {
  const long = flag.negatable ? `--[no-]${flag.long}` : `--${flag.long}`;
  const value = flag.value === undefined ? '' : ` ${flag.value}${flag.many ? '…' : ''}`;
  return `${flag.short ? `-${flag.short}, ` : '    '}${long}${value}`;
};

export function usageLine(spec: CommandSpec): string {
  const required = (spec.flags ?? []).filter((flag) => flag.required).map((flag) => ` --${flag.long} ${flag.value}`);
  const args = (spec.args ?? []).map((arg) => ` ${argText(arg)}`);
  return `fluxctl ${spec.path.join(' ')}${args.join('')}${required.join('')} [flags]`;
}

export function commandHelp(spec: CommandSpec): string {
  const parts = [spec.summary, '', `Usage: ${usageLine(spec)}`];
  for (const alias of spec.aliases ?? []) parts.push(`       fluxctl ${alias.join(' ')} [flags]`);
  if (spec.about) parts.push('', wrapped(spec.about, 0));
  if (spec.flags?.length)
    parts.push(
      '',
      'Flags:',
      rows(spec.flags.map((flag) => [flagText(flag), flag.required ? `${flag.help} (required)` : flag.help])),
    );
  parts.push('', 'Examples:', ...spec.examples.map(([why, line]) => `  # ${why}\n  ${line}`));
  parts.push(
    '',
    'Flags of every command (last one wins when repeated):',
    rows(GLOBAL_FLAGS.map((flag) => [flagText(flag), flag.help])),
  );
  return `${parts.join('\n')}\n`;
}

export function nounHelp(path: readonly string[]): string {
  const below = SPECS.filter((spec) => path.every((word, i) => spec.path[i] === word));
  const name = path.join(' ');
  return `${[
    `fluxctl ${name}: ${NOUN_SUMMARY[name] ?? ''}`,
    '',
    `Usage: fluxctl ${name} VERB [flags]`,
    '',
    rows(below.map((spec) => [spec.path.slice(path.length).join(' '), spec.summary])),
    '',
    `Flags and examples: fluxctl ${name} VERB --help`,
  ].join('\n')}\n`;
}

export function overview(): string {
  const nouns = wordsAfter([]);
  const parts = ['fluxctl: API keys, routes and nodes of FluxGate', '', 'Usage: fluxctl NOUN VERB [flags]'];
  for (const [title, names] of GROUPS) {
    const shown = names.filter((name) => nouns.includes(name));
    const summary = (name: string) => SPECS.find((spec) => keyOf(spec.path) === name)?.summary ?? NOUN_SUMMARY[name] ?? '';
    parts.push('', `${title}:`, rows(shown.map((name) => [name, summary(name)])));
  }
  parts.push(
    '',
    'Start here:',
    '  fluxctl login --server https://gw.example.com',
    '  fluxctl keys generate --name analytics-service --scope read:metrics',
    '  fluxctl keys rotate analytics-service --grace 24h',
    '',
    'More: fluxctl NOUN --help · fluxctl help exit-codes · fluxctl help environment',
  );
  return `${parts.join('\n')}\n`;
}

export const exitCodesHelp = (): string =>
  `Exit codes, the same in every output format:\n\n${rows(EXIT_MEANINGS.map(([code, meaning, again]) => [String(code), again === '-' ? meaning : `${meaning}; retry: ${again}`]))}\n`;

/** Variables that fluxctl reads; the README and `help environment` show this list. */
export const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['FLUXCTL_SERVER', 'admin API to talk to'],
  ['FLUXCTL_TOKEN', 'admin token; then no stored one is read'],
  ['FLUXCTL_TOKEN_FILE', 'file that holds the admin token'],
  ['FLUXCTL_CONTEXT', 'context to use'],
  ['FLUXCTL_SIGNING_KEY_FILE', 'file of the secret or private key with which fluxctl sign signs'],
  ['FLUXCTL_CONFIG', 'configuration file (default: $XDG_CONFIG_HOME/fluxctl/config.yaml)'],
  ['FLUXCTL_OUTPUT', 'default of --output'],
  ['FLUXCTL_TIMEOUT', 'default of --timeout'],
  ['FLUXCTL_NO_INPUT', 'never ask anything; so does CI'],
  ['FLUXCTL_DEBUG', 'as --debug'],
  ['NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE', 'colours off, on, on'],
  ['HTTP_PROXY, HTTPS_PROXY, NO_PROXY', 'proxies, in either case'],
  ['NODE_EXTRA_CA_CERTS', 'further certificate authorities, PEM file'],
  ['XDG_STATE_HOME', 'where the journal of unanswered requests lives'],
];

export const environmentHelp = (): string =>
  `Environment; a flag wins over a variable, a variable over .fluxctl.yaml, that over\nthe current context:\n\n${rows(ENVIRONMENT)}\n`;
