import type { Needs } from './command.ts';
import { EXIT } from './exit.ts';
import { Failure, usage } from './failure.ts';
import type { Reader } from './reader.ts';
import { type Prepared, readSink, type Sink } from './sink.ts';

/** What became of a secret: still in hand (to be shown once), or delivered somewhere. */
export interface HandedOver {
  readonly secret: string | null;
  readonly delivered: string | null;
}

/** `--secret-to` and `--force`. */
export interface SinkOptions {
  readonly sink: Sink | null;
  readonly force: boolean;
}
export function readSinkOptions(read: Reader): SinkOptions {
  const text = read.text('secret-to');
  const sink = text === undefined ? null : readSink(text);
  if (sink !== null && 'wrong' in sink) {
    read.wrong('secret-to', `${text} is no place for a secret`, sink.wrong);
    return { sink: null, force: read.on('force') };
  }
  return { sink, force: read.on('force') };
}

/** The place for the secret, proven before one is made. Output that would leave the secret out is refused: it is given once. */
export async function prepared(options: SinkOptions, needs: Pick<Needs, 'sinks' | 'settings'>): Promise<Prepared | null> {
  if (needs.settings.dryRun) return null;
  if (options.sink !== null) return needs.sinks.prepare(options.sink, options.force);
  const { output, field } = needs.settings;
  const shown = field === null ? output !== 'name' : /(^|\.)(secret|token|items)$/.test(field);
  if (shown) return null;
  const flag = field === null ? '-o name' : `--field ${field}`;
  throw usage(`with ${flag} the secret would be made and lost`, {
    code: 'secret_would_be_lost',
    field: field === null ? '--output' : '--field',
    hint: 'Add --secret-to file:PATH, or use -o json',
  });
}

/**
 * Runs the request that makes a secret and hands the secret over. A place that cannot take it, found before the request,
 * stops everything; found after it, the failure names the way out.
 */
export async function mintInto<A>(
  place: Prepared | null,
  request: () => Promise<A>,
  secretOf: (answer: A) => { secret: string | null; name: string },
  needs: { readonly mask: (secret: string) => Promise<void> },
  wayOut: (answer: A) => string,
): Promise<{ answer: A } & HandedOver> {
  let answer: A;
  try {
    answer = await request();
  } catch (error) {
    await place?.abandon();
    throw error;
  }
  const { secret, name } = secretOf(answer);
  if (secret === null) {
    await place?.abandon();
    return { answer, secret: null, delivered: null };
  }
  await needs.mask(secret);
  if (place === null) return { answer, secret, delivered: null };
  try {
    await place.deliver(secret, name);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure({ ...error.details, exit: EXIT.failed, hint: wayOut(answer) });
  }
  return { answer, secret: null, delivered: place.told };
}
