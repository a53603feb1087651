import { redactKeys } from '@fluxgate/policy';
import { EXIT, type ExitCode } from './exit.ts';
import { Failure, stopped } from './failure.ts';
import { envText, type Host } from './host.ts';
import { failureLines } from './render/failure.ts';
import { failureJson } from './render/json.ts';
import { styleFor } from './render/style.ts';
import { write } from './render/write.ts';

/** Says what went wrong, for people or as one JSON line, and answers the exit code. Never a stack trace unless --debug. */
export async function report(error: unknown, host: Host, output: string | null): Promise<ExitCode> {
  const debug = host.argv.includes('--debug') || envText(host, 'FLUXCTL_DEBUG') !== undefined;
  const cut = host.signal.aborted && !(error instanceof Failure && error.details.exit >= EXIT.interrupted);
  const failure = cut
    ? stopped(host.signal)
    : error instanceof Failure
      ? error
      : new Failure({
          code: 'internal',
          exit: EXIT.failed,
          message: error instanceof Error ? error.message : String(error),
          why: 'this is a fault in fluxctl',
          hint: debug ? null : 'Run it again with --debug and report what it prints',
        });
  const format = output ?? envText(host, 'FLUXCTL_OUTPUT') ?? 'table';
  if (format === 'json' || format === 'yaml') await write(host.stderr, redactKeys(failureJson(failure.details)));
  else {
    const style = await styleFor(host.stderr, { color: 'auto' }, host);
    const [first, ...rest] = failureLines(failure.details).map((line) => style.line(line));
    await write(host.stderr, redactKeys(`${[first, ...rest].join('\n')}\n`));
  }
  if (debug && error instanceof Error && !(error instanceof Failure))
    await write(host.stderr, redactKeys(`${error.stack ?? ''}\n`));
  return failure.details.exit;
}
