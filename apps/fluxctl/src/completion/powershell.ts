import { flagWords, spots, valued } from './model.ts';

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const list = (words: readonly string[]): string => `@(${words.map(quote).join(', ')})`;

export function powershellScript(): string {
  const all = spots();
  const table = (pick: (spot: (typeof all)[number]) => readonly string[]): string =>
    all.map((spot) => `  ${quote(spot.path.join(' '))} = ${list(pick(spot))}`).join('\n');
  const choices = all.flatMap((spot) =>
    spot.flags.flatMap((flag) =>
      flag.choices
        ? flagWords(flag).map((word) => `  ${quote(`${spot.path.join(' ')}:${word}`)} = ${list(flag.choices ?? [])}`)
        : [],
    ),
  );
  return `# PowerShell completion of fluxctl; load it with: fluxctl completion powershell | Out-String | Invoke-Expression
$fluxctlWords = @{
${table((spot) => [...spot.words.map(({ word }) => word), ...spot.choices])}
}
$fluxctlFlags = @{
${table((spot) => spot.flags.flatMap(flagWords))}
}
$fluxctlChoices = @{
${choices.join('\n')}
}
$fluxctlValued = ${list(valued())}
Register-ArgumentCompleter -Native -CommandName fluxctl -ScriptBlock {
  param($word, $ast, $position)
  $typed = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($word -ne '' -and $typed.Count -gt 0) { $typed = @($typed | Select-Object -SkipLast 1) }
  $path = ''; $skip = $false; $previous = ''
  foreach ($w in $typed) {
    $previous = $w
    if ($skip) { $skip = $false; continue }
    if ($fluxctlValued -contains $w) { $skip = $true; continue }
    if ($w.StartsWith('-')) { continue }
    $next = "$path $w".Trim()
    if ($fluxctlWords.ContainsKey($next)) { $path = $next } else { break }
  }
  $list = if ($fluxctlChoices.ContainsKey("$($path):$previous")) { $fluxctlChoices["$($path):$previous"] }
    elseif ($word.StartsWith('-')) { $fluxctlFlags[$path] } else { $fluxctlWords[$path] }
  $list | Where-Object { $_ -like "$word*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`;
}
