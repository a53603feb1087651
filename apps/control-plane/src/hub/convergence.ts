import type { Convergence, Node } from '@fluxgate/protocol/admin';
import type { NodeRow } from '@fluxgate/stores/postgres';
import type { HubOptions } from './options.ts';
import type { RealmHub } from './realm-hub.ts';
import type { Session } from './session.ts';

/** How often the node table is read for nodes of other replicas while somebody waits for them. */
const REMOTE_POLL_MS = 100;
/** Stands for nodes that another replica may hold, while the table cannot be read. */
const UNKNOWN = '(nodes of other control planes)';

interface Progressed {
  readonly name: string;
  readonly applied: number;
  /** Keeps an old value because it could not read the new one. */
  readonly holds: boolean;
}

/** Rows of nodes that another control plane holds now: connected there, and written within `freshMs`. */
function remoteRows(rows: readonly NodeRow[], hubId: string, nowMs: number, freshMs: number): readonly NodeRow[] {
  return rows.filter((row) => row.connectedTo !== null && row.connectedTo !== hubId && nowMs - row.lastSeenAtMs <= freshMs);
}

interface Watch {
  readonly hubId: string;
  readonly freshMs: number;
  readonly hub: RealmHub;
  readonly epoch: string;
}

/**
 * Resolves as soon as every live node, here or at another replica, decides by `revision`, or when the time is over. Nodes of this
 * process are known at once from their acks; those of others from the node table.
 */
export async function awaitConvergence(
  watch: Watch,
  options: HubOptions,
  revision: number,
  timeoutMs: number,
): Promise<Convergence> {
  const { clock, db, log } = options;
  const startMs = clock();
  const deadlineMs = startMs + timeoutMs;
  let remote: readonly NodeRow[] | null = null;
  let readAtMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    const arrived = changeOf(watch.hub); // listens before looking, so that no ack falls in between
    const nowMs = clock();
    if (nowMs - readAtMs >= REMOTE_POLL_MS) {
      readAtMs = nowMs;
      try {
        remote = remoteRows(await db.nodes.list(watch.hub.realm), watch.hubId, nowMs, watch.freshMs);
      } catch (error) {
        log.warn(
          { err: error, realm: watch.hub.realm },
          'sync: the node table cannot be read; nodes of other replicas are unknown',
        );
        remote = null;
      }
    }
    const local = [...watch.hub.sessions].filter((session) => session.live && session.isOpen);
    const names = new Set(local.map((session) => session.name));
    const others = (remote ?? []).filter((row) => !names.has(row.name));
    const nodes: Progressed[] = [
      ...local.map((session) => ({
        name: session.name,
        applied: appliedIn(session, watch.epoch),
        holds: session.progress.quarantined.length > 0,
      })),
      ...others.map((row) => ({
        name: row.name,
        applied: row.epoch === watch.epoch ? row.applied : -1,
        holds: row.quarantined.length > 0,
      })),
    ];
    // A node that holds an entity it cannot read has not converged, and waiting for it would not help.
    const awaited = nodes.filter(({ applied }) => applied < revision).length + (remote === null ? 1 : 0);
    const pending = nodes.filter(({ applied, holds }) => applied < revision || holds).map(({ name }) => name);
    if (remote === null) pending.push(UNKNOWN);
    const timeIsOver = clock() >= deadlineMs;
    if (awaited === 0 || timeIsOver) {
      arrived.cancel();
      const reached = nodes.filter(({ applied, holds }) => applied >= revision && !holds).length;
      return {
        revision,
        nodes: nodes.length,
        reached,
        converged: pending.length === 0,
        pending: pending.sort(),
        elapsedMs: Math.max(0, Math.round(clock() - startMs)),
      };
    }
    const pauseMs = Math.max(1, Math.min(REMOTE_POLL_MS, deadlineMs - clock()));
    await arrived.orAfter(pauseMs);
  }
}

const appliedIn = (session: Session, epoch: string) => (session.progress.epoch === epoch ? session.progress.applied : -1);

/** The next change among the sessions of a realm. */
function changeOf(hub: RealmHub): { orAfter(ms: number): Promise<void>; cancel(): void } {
  let wake: () => void = () => undefined;
  let happened = false;
  const watcher = () => {
    happened = true;
    wake();
  };
  hub.watchers.add(watcher);
  const cancel = () => void hub.watchers.delete(watcher);
  return {
    cancel,
    async orAfter(ms) {
      if (!happened) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      cancel();
    },
  };
}

export interface SecretsSpread {
  readonly nodes: number;
  readonly reached: number;
  /** By name. */
  readonly pending: readonly string[];
}

/** Nodes of this process by their acks, those of others by the node table. */
export function secretsSpread(
  rows: readonly NodeRow[],
  sessions: Iterable<Session>,
  generation: string,
  at: { readonly hubId: string; readonly nowMs: number; readonly freshMs: number },
): SecretsSpread {
  const local = [...sessions].filter((session) => session.isOpen && session.hello !== null);
  const names = new Set(local.map(({ name }) => name));
  const held = [
    ...local.map(({ name, secretsHeld }) => ({ name, held: secretsHeld })),
    ...remoteRows(rows, at.hubId, at.nowMs, at.freshMs)
      .filter(({ name }) => !names.has(name))
      .map((row) => ({ name: row.name, held: row.secretsGeneration })),
  ];
  const pending = held.filter((node) => node.held !== generation).map(({ name }) => name);
  return { nodes: held.length, reached: held.length - pending.length, pending: pending.sort() };
}

/** Nodes as people see them: the table, with what this process knows better. */
export function viewNodes(
  rows: readonly NodeRow[],
  sessions: Iterable<Session>,
  head: { readonly epoch: string; readonly revision: number },
  at: { readonly hubId: string; readonly nowMs: number; readonly freshMs: number },
): Node[] {
  const local = new Map(
    [...sessions].filter((session) => session.live && session.isOpen).map((session) => [session.name, session]),
  );
  return rows.map((row): Node => {
    const session = local.get(row.name);
    const progress = session?.progress ?? row;
    const applied = progress.epoch === head.epoch ? progress.applied : 0;
    const connected =
      session !== undefined ||
      (row.connectedTo !== null && row.connectedTo !== at.hubId && at.nowMs - row.lastSeenAtMs <= at.freshMs);
    const lag = Math.max(0, head.revision - applied);
    return {
      name: row.name,
      realm: row.realm,
      state: !connected
        ? 'offline'
        : progress.quarantined.length > 0
          ? 'quarantine'
          : lag > 0 || progress.epoch !== head.epoch
            ? 'behind'
            : 'converged',
      version: row.version,
      applied,
      durable: progress.epoch === head.epoch ? progress.durable : 0,
      lag,
      quarantined: [...progress.quarantined],
      firstSeenAt: new Date(row.firstSeenAtMs).toISOString(),
      lastSeenAt: new Date(session?.lastHeardMs ?? row.lastSeenAtMs).toISOString(),
    };
  });
}
