import type { OperationId, ParsedBodyOf, ParsedQueryOf, ResponseOf } from '@fluxgate/protocol/admin';
import type { Identity } from '../auth/identity.ts';
import type { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Actor, Write } from '../write.ts';

/** One request to an operation, after authentication, authorisation and parsing. */
export interface Call<Id extends OperationId> {
  readonly who: Identity;
  readonly realm: string;
  readonly actor: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly query: ParsedQueryOf<Id>;
  readonly body: ParsedBodyOf<Id>;
  readonly nowMs: number;
  readonly dryRun: boolean;
  /** Set by `?wait=converged`: how long the answer may wait for the nodes. */
  readonly waitMs: number | null;
  /** One transaction; see `write.ts`. */
  readonly write: Write;
}

/** Answers a value that the adapter sends, or a problem. Only faults are thrown. */
export type Handler<Id extends OperationId> = (call: Call<Id>, services: Services) => Promise<ResponseOf<Id> | Problem>;

export type Handlers = { readonly [Id in OperationId]: Handler<Id> };
