import { flagWords, spots, takesFile, valued } from './model.ts';

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const described = (word: string, help: string): string => quote(`${word.replaceAll(':', '\\:')}:${help.replaceAll(':', '\\:')}`);

export function zshScript(): string {
  const all = spots();
  const paths = all.filter((spot) => spot.path.length > 0).map((spot) => `"${spot.path.join(' ')}"`);
  const values = all.flatMap((spot) =>
    spot.flags.flatMap((flag) => {
      const pattern = flagWords(flag)
        .map((word) => `"${spot.path.join(' ')}:${word}"`)
        .join('|');
      if (flag.choices) return [`    ${pattern}) compadd -- ${flag.choices.join(' ')}; return;;`];
      if (takesFile(flag)) return [`    ${pattern}) _files; return;;`];
      return flag.value === undefined ? [] : [`    ${pattern}) return;;`];
    }),
  );
  return `#compdef fluxctl
# zsh completion of fluxctl; install it with: fluxctl completion zsh > "\${fpath[1]}/_fluxctl"
_fluxctl() {
  local cur="\${words[CURRENT]}" prev="\${words[CURRENT-1]}" at="" w i
  local -a list
  for (( i=2; i < CURRENT; i++ )); do
    w="\${words[i]}"
    case "$w" in
      ${valued().join('|')}) i=$((i+1)); continue;;
      -*) continue;;
    esac
    case "\${at:+$at }$w" in
      ${paths.join('|')}) at="\${at:+$at }$w";;
      *) break;;
    esac
  done
  case "$at:$prev" in
${values.join('\n')}
  esac
  case "$at" in
${all
  .map((spot) => {
    const words = [
      ...spot.words.map(({ word, help }) => described(word, help)),
      ...spot.choices.map((choice) => described(choice, '')),
    ];
    const flags = spot.flags.flatMap((flag) => flagWords(flag).map((word) => described(word, flag.help)));
    return `    "${spot.path.join(' ')}") if [[ "$cur" == -* ]]; then list=(${flags.join(' ')}); else list=(${words.join(' ')}); fi;;`;
  })
  .join('\n')}
  esac
  _describe 'fluxctl' list
}
compdef _fluxctl fluxctl
`;
}
