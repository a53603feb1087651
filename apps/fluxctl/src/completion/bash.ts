import { flagWords, type Spot, spots, takesFile, valued } from './model.ts';

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function valueCases(all: readonly Spot[]): string[] {
  const lines = new Set<string>();
  for (const spot of all) {
    const path = spot.path.join(' ');
    for (const flag of spot.flags) {
      const pattern = flagWords(flag)
        .map((word) => `"${path}:${word}"`)
        .join('|');
      if (flag.choices)
        lines.add(`    ${pattern}) COMPREPLY=( $(compgen -W ${quote(flag.choices.join(' '))} -- "$cur") ); return;;`);
      else if (takesFile(flag)) lines.add(`    ${pattern}) COMPREPLY=( $(compgen -f -- "$cur") ); return;;`);
      else if (flag.value !== undefined) lines.add(`    ${pattern}) COMPREPLY=(); return;;`);
    }
  }
  return [...lines];
}

/** Shared by bash and zsh: the words typed so far that make the command. */
export function bashScript(): string {
  const all = spots();
  const paths = all.filter((spot) => spot.path.length > 0).map((spot) => `"${spot.path.join(' ')}"`);
  return `# bash completion of fluxctl; load it with: source <(fluxctl completion bash)
_fluxctl() {
  local cur prev path w i list
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  path=""
  for (( i=1; i < COMP_CWORD; i++ )); do
    w="\${COMP_WORDS[i]}"
    case "$w" in
      ${valued().join('|')}) i=$((i+1)); continue;;
      -*) continue;;
    esac
    case "\${path:+$path }$w" in
      ${paths.join('|')}) path="\${path:+$path }$w";;
      *) break;;
    esac
  done
  case "$path:$prev" in
${valueCases(all).join('\n')}
  esac
  case "$path" in
${all.map((spot) => `    "${spot.path.join(' ')}") list=${quote([...spot.words.map(({ word }) => word), ...spot.choices].join(' '))}; [[ "$cur" == -* ]] && list=${quote(spot.flags.flatMap(flagWords).join(' '))};;`).join('\n')}
  esac
  COMPREPLY=( $(compgen -W "$list" -- "$cur") )
}
complete -F _fluxctl fluxctl
`;
}
