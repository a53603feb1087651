import type { CommandSpec } from './types.ts';

export const aboutSpecs: readonly CommandSpec[] = [
  { path: ['version'], summary: 'Show the version of fluxctl', examples: [['for scripts', 'fluxctl version -o json']] },
  {
    path: ['completion'],
    args: [{ name: 'SHELL', required: true }],
    summary: 'Print the completion script for bash, zsh, fish or powershell',
    examples: [
      ['bash', 'source <(fluxctl completion bash)'],
      ['fish', 'fluxctl completion fish > ~/.config/fish/completions/fluxctl.fish'],
    ],
  },
  {
    path: ['help'],
    args: [{ name: 'TOPIC', many: true }],
    summary: 'Help for a command, or: exit-codes, environment',
    examples: [['what the exit codes mean', 'fluxctl help exit-codes']],
  },
];
