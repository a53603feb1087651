import { type CommandSpec, flag } from './types.ts';

const FILE = flag('file', 'FILE|DIR|-', 'YAML file, directory of them, or - for stdin; may be repeated', {
  short: 'f',
  many: true,
  required: true,
});

export const configSpecs: readonly CommandSpec[] = [
  {
    path: ['validate'],
    summary: 'Check configuration files, offline',
    about: 'Prints every mistake as file:line:column with what to write instead. Mistakes: exit 2. Only warnings: exit 0.',
    flags: [FILE],
    examples: [
      ['one file', 'fluxctl validate -f fluxgate.yaml'],
      ['from a pipe', 'helm template . | fluxctl validate -f -'],
    ],
  },
  {
    path: ['apply'],
    summary: 'Apply configuration files: one revision, or nothing',
    about: 'What is absent from the files is left alone, never deleted.',
    flags: [FILE, flag('exit-code', null, 'with --dry-run: exit 10 when something would change')],
    examples: [
      ['a directory', 'fluxctl apply -f gateway/'],
      ['what would change?', 'fluxctl apply -f gateway/ --dry-run --exit-code'],
    ],
  },
  {
    path: ['export'],
    summary: 'Print the whole configuration as fluxgate.yaml',
    examples: [['keep a copy', 'fluxctl export > fluxgate.yaml']],
  },
  {
    path: ['revisions', 'list'],
    summary: 'List revisions, newest first',
    flags: [flag('limit', 'N', 'at most this many (default 20)')],
    examples: [['what changed last', 'fluxctl revisions list --limit 5']],
  },
  {
    path: ['audit', 'list'],
    summary: 'List who did what, newest first',
    flags: [
      flag('actor', 'WHO', 'only by this actor'),
      flag('action', 'NAME', 'only this action, e.g. keys.rotate'),
      flag('target', 'NAME', 'only on this object'),
      flag('limit', 'N', 'at most this many (default 50)'),
    ],
    examples: [['who touched this key?', 'fluxctl audit list --target analytics-service']],
  },
];
