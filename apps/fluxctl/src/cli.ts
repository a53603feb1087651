import { EXIT, type ExitCode } from './exit.ts';
import { Failure, usage } from './failure.ts';
import { commandHelp, environmentHelp, exitCodesHelp, nounHelp, overview } from './help.ts';
import type { Host } from './host.ts';
import { type Located, locate, wordsAfter } from './locate.ts';
import { write } from './render/write.ts';
import { keyOf } from './specs/index.ts';
import { didYouMean } from './suggest.ts';

/** Runs one command line. Help is answered from the specs; everything else loads the parser and the command. */
export async function run(host: Host): Promise<ExitCode> {
  let located: Located | null = null;
  try {
    located = locate(host.argv);
    const help = helpFor(host.argv, located);
    if (help !== null) {
      await write(help.wrong ? host.stderr : host.stdout, help.text);
      return help.wrong ? EXIT.usage : EXIT.done;
    }
    const { execute } = await import('./execute.ts');
    return await execute(located, host);
  } catch (error) {
    const { report } = await import('./report.ts');
    return report(error, host, located?.output ?? lastOutput(host.argv));
  }
}

/** The format may be needed before the vector could be read. */
function lastOutput(argv: readonly string[]): string | null {
  const found = argv.flatMap((arg, i) =>
    arg === '-o' || arg === '--output' ? [argv[i + 1] ?? ''] : (/^(?:-o=?|--output=)(.+)$/.exec(arg)?.slice(1) ?? []),
  );
  return found.at(-1) ?? null;
}

function helpFor(argv: readonly string[], { path, spec, rest, wantsHelp }: Located): { text: string; wrong: boolean } | null {
  if (spec !== null && keyOf(spec.path) === 'help')
    return { text: topic(rest.filter((arg) => !arg.startsWith('-'))), wrong: false };
  if (wantsHelp) return { text: spec !== null ? commandHelp(spec) : path.length > 0 ? nounHelp(path) : overview(), wrong: false };
  if (spec !== null) return null;
  if (path.length > 0) return { text: `error: fluxctl ${path.join(' ')} needs a verb\n\n${nounHelp(path)}`, wrong: true };
  if (argv.includes('--version') || argv.includes('-V')) return null;
  const odd = rest.find((arg) => arg.startsWith('-'));
  return { text: overview(), wrong: odd !== undefined };
}

function topic(words: readonly string[]): string {
  if (words.length === 0) return overview();
  if (words.join(' ') === 'exit-codes') return exitCodesHelp();
  if (words.join(' ') === 'environment') return environmentHelp();
  try {
    const found = locate(words);
    if (found.spec !== null && found.rest.length === 0) return commandHelp(found.spec);
    if (found.path.length > 0 && found.rest.length === 0) return nounHelp(found.path);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  const topics = ['exit-codes', 'environment', ...wordsAfter([])];
  throw usage(`there is no help on ${words.join(' ')}`, {
    code: 'unknown_topic',
    hint: didYouMean(words[0] ?? '', topics) ?? 'All commands: fluxctl --help',
  });
}
