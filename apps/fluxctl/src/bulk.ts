import { EXIT, type ExitCode, exitOfMany } from './exit.ts';
import { Failure } from './failure.ts';
import { fail, type Line, plain } from './outcome.ts';

/** One request per name, each with its own fate. */
export interface Bulk<T> {
  readonly items: readonly T[];
  readonly failed: readonly {
    readonly name: string;
    readonly code: string;
    readonly exit: ExitCode;
    readonly message: string;
    readonly hint: string | null;
  }[];
}

/** Goes on after a failure. An interruption ends it, but what was done until then is kept: it may hold secrets. */
export async function forEach<T>(names: readonly string[], work: (name: string) => Promise<T>): Promise<Bulk<T>> {
  const items: T[] = [];
  const failed: Bulk<T>['failed'][number][] = [];
  for (const name of names) {
    try {
      items.push(await work(name));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const { code, exit, message, hint } = error.details;
      failed.push({ name, code, exit, message, hint: hint ?? null });
      if (exit >= EXIT.interrupted) break;
    }
  }
  return { items, failed };
}
export const bulkExit = (bulk: Bulk<unknown>): ExitCode =>
  exitOfMany(
    bulk.items.length,
    bulk.failed.map((one) => one.exit),
  );
export const bulkLines = (bulk: Bulk<unknown>): Line[] =>
  bulk.failed.flatMap((one) => [
    fail(`${one.name}: ${one.message} (exit ${one.exit})`),
    ...(one.hint === null ? [] : [plain(`  ${one.hint}`)]),
  ]);
