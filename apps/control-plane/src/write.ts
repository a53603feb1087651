import { entityName, judgeRecord, type StateRecord } from '@fluxgate/protocol/sync';
import type { Tx } from '@fluxgate/stores/postgres';
import { isProblem, type Problem } from './problem.ts';
import type { Services } from './services.ts';

/** On whose behalf something is written; all of it goes into the audit log. */
export interface Actor {
  readonly realm: string;
  readonly name: string;
  readonly role: string;
  readonly address: string | null;
  readonly requestId: string;
}

/** One line of the audit log. `before` and `after` never hold a secret. */
export interface AuditDraft {
  readonly target: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** What a write decided inside its transaction. */
export interface Draft<T> {
  /** The body of the answer, but for `revision` and `convergence`. */
  readonly value: T;
  /** What nodes have to learn; empty: no revision is made. */
  readonly records: readonly StateRecord[];
  /** It revokes, suspends or narrows: flushed to disk and wire at once. */
  readonly urgent?: boolean;
  readonly audit: readonly AuditDraft[];
}

export interface Done<T> {
  readonly value: T;
  /** The revision that was made; null when nodes had nothing to learn. */
  readonly made: number | null;
  /** The revision at which the write holds. */
  readonly revision: number;
}

/** `decide` may run twice (a deadlock): it does nothing but use `tx`, and takes chance and time from outside. */
export type Write = <T extends object>(
  decide: (tx: Tx) => Promise<Problem | Draft<T>>,
  options?: DecideOptions,
) => Promise<Problem | Done<T>>;

/** Hooks of the idempotency layer, run inside the transaction. */
export interface Idempotency {
  /** Takes the key for this request, or throws so that the transaction ends. */
  reserve(tx: Tx): Promise<void>;
  keep(tx: Tx, value: object): Promise<void>;
}

export interface WriteOptions {
  readonly action: string;
  /** Everything is decided, nothing is kept. */
  readonly dryRun?: boolean;
  readonly idempotency?: Idempotency | null;
}

export interface DecideOptions {
  /** The decision judges the whole configuration: no other write of the realm may come between it and the commit. */
  readonly exclusive?: boolean;
}

/** Carries a result out of a transaction that must not commit. */
class RolledBack extends Error {
  readonly outcome: Problem | { readonly value: object };
  constructor(outcome: Problem | { readonly value: object }) {
    super('rolled back');
    this.outcome = outcome;
  }
}

const SUMMARY_MAX = 200;

/**
 * The only way operations write: one transaction with business rows, state records, audit and idempotency key, or
 * nothing at all. A record that a node's own decoder would hold back never gets into a revision.
 */
export function createWrite(
  services: Services,
  actor: Actor,
  { action, dryRun = false, idempotency = null }: WriteOptions,
): Write {
  return async <T extends object>(
    decide: (tx: Tx) => Promise<Problem | Draft<T>>,
    { exclusive = false }: DecideOptions = {},
  ): Promise<Problem | Done<T>> => {
    const { db, nodes } = services;
    try {
      const done = await db.write(
        actor.realm,
        actor,
        async (tx) => {
          await idempotency?.reserve(tx);
          const draft = await decide(tx);
          if (isProblem(draft)) throw new RolledBack(draft);
          for (const record of draft.records) {
            const why = judgeRecord(record);
            if (why !== null) throw new Error(`${entityName(record.kind)} ${record.id} would be held back by nodes: ${why}`);
          }
          if (dryRun) throw new RolledBack({ value: draft.value });
          await idempotency?.keep(tx, draft.value);
          return {
            value: draft.value,
            records: draft.records,
            urgent: draft.urgent ?? false,
            summary: draft.records.slice(0, SUMMARY_MAX).map(({ op, kind, id }) => ({ op, kind: entityName(kind), id })),
            audit: draft.audit.map((entry) => ({ action, ...entry })),
          };
        },
        { exclusive },
      );
      if (done.revision !== null) nodes.wake(actor.realm);
      return {
        value: done.value as T,
        made: done.revision,
        revision: done.revision ?? (await headRevision(services, actor.realm)),
      };
    } catch (error) {
      if (!(error instanceof RolledBack)) throw error;
      if (isProblem(error.outcome)) return error.outcome;
      return { value: error.outcome.value as T, made: null, revision: await headRevision(services, actor.realm) };
    }
  };
}

export async function headRevision({ db }: Pick<Services, 'db'>, realm: string): Promise<number> {
  const { revision } = await db.prisma.realm.findUniqueOrThrow({ where: { name: realm }, select: { revision: true } });
  return Number(revision);
}
