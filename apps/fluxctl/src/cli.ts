import { EXIT, type ExitCode } from './exit.ts';
import { Failure, usage } from './failure.ts';
import { commandHelp, environmentHelp, exitCodesHelp, nounHelp, overview } from './help.ts';
import type { Host } from './host.ts';
import { envText } from './host.ts';
import { type Located, locate, wordsAfter } from './locate.ts';
import { failureJson } from './render/json.ts';
import { write } from './render/print.ts';
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

/** Says what went wrong, for people or as one JSON line, and answers the exit code. Never a stack trace unless --debug. */
export async function report(error: unknown, host: Host, output: string | null): Promise<ExitCode> {
  const debug = host.argv.includes('--debug') || envText(host, 'FLUXCTL_DEBUG') !== undefined;
  const stopped = host.signal.aborted && !(error instanceof Failure && error.details.exit >= EXIT.interrupted);
  const exit: ExitCode = host.signal.reason === EXIT.terminated ? EXIT.terminated : EXIT.interrupted;
  const failure = stopped
    ? new Failure({
        code: 'interrupted',
        exit,
        message: 'interrupted',
        why: 'a request that was already sent may have taken effect',
        hint: 'Run the same command again: what it made is not made twice',
      })
    : error instanceof Failure
      ? error
      : new Failure({
          code: 'internal',
          exit: EXIT.failed,
          message: error instanceof Error ? error.message : String(error),
          why: 'this is a fault in fluxctl',
          hint: debug ? null : 'Run it again with --debug and report what it prints',
        });
  const { redactKeys } = await import('@fluxgate/policy');
  const format = output ?? envText(host, 'FLUXCTL_OUTPUT') ?? 'table';
  if (format === 'json' || format === 'yaml') await write(host.stderr, redactKeys(failureJson(failure.details)));
  else {
    const [{ failureLines }, { styleFor }] = await Promise.all([import('./render/failure.ts'), import('./render/style.ts')]);
    const style = await styleFor(host.stderr, { color: 'auto' }, host);
    const [first, ...rest] = failureLines(failure.details).map((line) => style.line(line));
    await write(host.stderr, redactKeys(`${[first, ...rest].join('\n')}\n`));
  }
  if (debug && error instanceof Error && !(error instanceof Failure))
    await write(host.stderr, redactKeys(`${error.stack ?? ''}\n`));
  return failure.details.exit;
}
