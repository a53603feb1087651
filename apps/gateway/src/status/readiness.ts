import type { ListenerState } from '../listeners/listener.ts';
import type { SyncStatus } from '../sync/thread-messages.ts';

export interface ReadinessInput {
  readonly status: SyncStatus | null;
  readonly workersServing: number;
  readonly workersWanted: number;
  readonly listeningPort: number | null;
  readonly listeners: readonly ListenerState[];
  readonly draining: boolean;
  readonly nowMs: number;
}

export interface Readiness {
  readonly ready: boolean;
  /** Why not, for people; empty when ready. */
  readonly reasons: readonly string[];
  readonly state: SyncStatus['state'];
  readonly revision: { readonly head: number; readonly applied: number; readonly durable: number };
  readonly connected: boolean;
  readonly controlPlane: string | null;
  /** Seconds since the control plane vouched for the state; null: not since this process started. */
  readonly stalenessS: number | null;
  readonly keys: number;
  readonly workers: { readonly serving: number; readonly wanted: number };
  readonly port: number | null;
  /** Those of the configuration. One that cannot serve is told here and makes the node no less ready for the others. */
  readonly listeners: readonly ListenerState[];
  readonly quarantined: SyncStatus['quarantined'];
  readonly trouble: string | null;
}

/**
 * A node is ready when at least one worker takes traffic and has a state to judge by. A control plane that is away does not make it
 * unready: nodes serve from their last state, and taking all of them out of rotation would turn its outage into theirs.
 */
export function readiness(input: ReadinessInput): Readiness {
  const { status } = input;
  const reasons: string[] = [];
  if (input.draining) reasons.push('the node is being stopped');
  if (status === null || status.state === 'empty') {
    reasons.push(`no state yet: ${status?.trouble ?? 'the control plane has not sent one, and there is none on disk'}`);
  }
  if (input.workersServing === 0) reasons.push('no request worker serves yet');
  const stalenessMs = status === null || status.lastContactMs === null ? null : Math.max(0, input.nowMs - status.lastContactMs);
  return {
    ready: reasons.length === 0,
    reasons,
    state: status?.state ?? 'empty',
    revision: { head: status?.head ?? 0, applied: status?.applied ?? 0, durable: status?.durable ?? 0 },
    connected: status?.connected ?? false,
    controlPlane: status?.controlPlane ?? null,
    stalenessS: stalenessMs === null ? null : Math.round(stalenessMs / 100) / 10,
    keys: status?.keys ?? 0,
    workers: { serving: input.workersServing, wanted: input.workersWanted },
    port: input.listeningPort,
    listeners: input.listeners,
    quarantined: status?.quarantined ?? [],
    trouble: status?.trouble ?? null,
  };
}
