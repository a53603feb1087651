import { spots, takesFile, valued } from './model.ts';

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

export function fishScript(): string {
  const all = spots();
  const lines = all.flatMap((spot) => {
    const at = `-n ${quote(`__fluxctl_at ${quote(spot.path.join(' '))}`)}`;
    return [
      ...spot.words.map(({ word, help }) => `complete -c fluxctl -f ${at} -a ${word} -d ${quote(help)}`),
      ...spot.choices.map((choice) => `complete -c fluxctl -f ${at} -a ${choice}`),
      ...spot.flags.flatMap((flag) => {
        const value = flag.choices
          ? ` -x -a ${quote(flag.choices.join(' '))}`
          : takesFile(flag)
            ? ' -r -F'
            : flag.value === undefined
              ? ''
              : ' -x';
        const short = flag.short ? ` -s ${flag.short}` : '';
        return [flag.long, ...(flag.negatable ? [`no-${flag.long}`] : [])].map(
          (long) => `complete -c fluxctl -f ${at} -l ${long}${short}${value} -d ${quote(flag.help)}`,
        );
      }),
    ];
  });
  const paths = all.filter((spot) => spot.path.length > 0).map((spot) => quote(spot.path.join(' ')));
  return `# fish completion of fluxctl; install it with: fluxctl completion fish > ~/.config/fish/completions/fluxctl.fish
function __fluxctl_path
  set -l words (commandline -opc)
  set -l path ''
  set -l skip 0
  for w in $words[2..-1]
    if test $skip -eq 1
      set skip 0
      continue
    end
    switch $w
      case ${valued().join(' ')}
        set skip 1
      case '-*'
        continue
      case '*'
        set -l next (string trim -- "$path $w")
        if contains -- $next ${paths.join(' ')}
          set path $next
        else
          break
        end
    end
  end
  echo $path
end
function __fluxctl_at
  test (__fluxctl_path) = "$argv[1]"
end
${lines.join('\n')}
`;
}
