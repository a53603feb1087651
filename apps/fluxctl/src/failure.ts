import { EXIT, type ExitCode } from './exit.ts';

export interface FailureDetails {
  /** Stable word for scripts: `-o json` prints it. */
  readonly code: string;
  readonly exit: ExitCode;
  /** What failed, as a sentence without a full stop. */
  readonly message: string;
  /** Why, where that is more than the message says. */
  readonly why?: string | null;
  /** What to type next. */
  readonly hint?: string | null;
  readonly requestId?: string | null;
  readonly field?: string | null;
  readonly retryable?: boolean;
  /** One line per single mistake, e.g. per configuration diagnostic. */
  readonly details?: readonly string[];
  /** The same, for `-o json`. */
  readonly items?: readonly unknown[];
}

/** The only thing that fluxctl throws on purpose: an end of the command with an exit code and a remedy. */
export class Failure extends Error {
  readonly details: FailureDetails;
  constructor(details: FailureDetails) {
    super(details.message);
    this.name = 'Failure';
    this.details = details;
  }
}

export const usage = (message: string, more: Partial<FailureDetails> = {}): Failure =>
  new Failure({ code: 'usage', exit: EXIT.usage, message, ...more });

export const interrupted = (message: string, more: Partial<FailureDetails> = {}): Failure =>
  new Failure({ code: 'interrupted', exit: EXIT.interrupted, message, ...more });

/** A signal ended the command while a request was under way. */
export const stopped = (signal: AbortSignal): Failure =>
  new Failure({
    code: 'interrupted',
    exit: signal.reason === EXIT.terminated ? EXIT.terminated : EXIT.interrupted,
    message: 'interrupted',
    why: 'a request that was already sent may have taken effect',
    hint: 'Run the same command again: what it made is not made twice',
  });
