import type { Convergence } from '@fluxgate/protocol/admin';
import type { Admin } from './client.ts';
import type { Waiting } from './command.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { type Line, plain, warn } from './outcome.ts';
import type { Settings } from './settings.ts';
import { showSeconds } from './units.ts';

/** The server waits at most this long in one request; longer waits ask again. */
const SERVER_WAIT_MAX_MS = 300_000;
const DEFAULT_WAIT_MS = 60_000;
/** What the network may add to a wait. */
const SLACK_MS = 15_000;

export const waitingOf = (settings: Settings): Waiting => ({
  on: settings.wait ?? true,
  explicit: settings.wait !== undefined,
  timeoutMs: settings.timeoutMs ?? DEFAULT_WAIT_MS,
});

export interface WriteQuery {
  readonly wait?: 'converged';
  readonly timeout?: string;
  readonly dryRun?: 'true';
}
/** Query and deadline of a write that waits for the nodes (or not), or only pretends (--dry-run). */
export function writing(waiting: Waiting, settings: Pick<Settings, 'dryRun'>): { query: WriteQuery; deadlineMs: number } {
  if (settings.dryRun) return { query: { dryRun: 'true' }, deadlineMs: SLACK_MS + 15_000 };
  if (!waiting.on) return { query: {}, deadlineMs: Math.max(waiting.timeoutMs, 1000) };
  const waitMs = Math.min(waiting.timeoutMs, SERVER_WAIT_MAX_MS);
  return { query: { wait: 'converged', timeout: `${waitMs}ms` }, deadlineMs: waitMs + SLACK_MS };
}

/** Asks on until the nodes have the revision or the time of the command is over, where one request was too short. */
export async function converged<W extends { readonly revision: number | null; readonly convergence: Convergence | null }>(
  written: W,
  needs: {
    readonly admin: Admin;
    readonly waiting: Waiting;
    readonly now: () => number;
    readonly sleep: (ms: number) => Promise<void>;
  },
): Promise<W> {
  let current = written.convergence;
  if (current === null || written.revision === null) return written;
  const untilMs = needs.now() + needs.waiting.timeoutMs - current.elapsedMs;
  while (!current.converged && untilMs - needs.now() > 1000) {
    const waitMs = Math.min(untilMs - needs.now(), SERVER_WAIT_MAX_MS);
    const next: Convergence = await needs.admin.call('revisionsConvergence', {
      path: { revision: String(written.revision) },
      query: { wait: 'converged', timeout: `${Math.round(waitMs)}ms` },
      deadlineMs: waitMs + SLACK_MS,
    });
    current = { ...next, elapsedMs: current.elapsedMs + next.elapsedMs };
    // A server that answers without waiting is not asked in a tight loop.
    if (!next.converged && next.elapsedMs < 200) await needs.sleep(500);
  }
  return { ...written, convergence: current };
}

export interface Landing {
  /** `live on 2/2 nodes (0.1 s)`, or null when nobody waited. */
  readonly text: string | null;
  readonly exit: ExitCode;
  readonly lines: readonly Line[];
}
/** How far a write came. */
export function landing(convergence: Convergence | null, revision: number | null): Landing {
  if (convergence === null) return { text: null, exit: EXIT.done, lines: [] };
  if (convergence.nodes === 0)
    return {
      text: 'live on no node',
      exit: convergence.converged ? EXIT.done : EXIT.notConverged,
      lines: [
        warn(`no gateway node is connected: revision ${revision ?? convergence.revision} is stored, nothing enforces it yet`),
      ],
    };
  const counted = `live on ${convergence.reached}/${convergence.nodes} nodes (${showSeconds(convergence.elapsedMs)})`;
  if (convergence.converged) return { text: counted, exit: EXIT.done, lines: [] };
  return {
    text: counted,
    exit: EXIT.notConverged,
    lines: [
      warn(
        `accepted as revision ${revision ?? convergence.revision}, but not everywhere yet (exit 8); waiting for: ${convergence.pending.join(', ') || '-'}`,
      ),
      plain(`  Wait on: fluxctl nodes status --wait --revision ${revision ?? convergence.revision}`),
    ],
  };
}
