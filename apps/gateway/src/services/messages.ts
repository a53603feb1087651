import type { MessagePort } from 'node:worker_threads';
import type { PublicJwk, TokenProvider } from '@fluxgate/policy';

/**
 * What main, the services thread and the request workers say to each other.
 *
 *     main ── workerData: ServicesThreadData ──► services
 *     main ── ToServices ──► services ── FromServices ──► main      over parentPort
 *     worker ── FromWorker ──► services ── ToWorker ──► worker      over one MessageChannel per worker, made by main
 *
 * Times in these messages are of the machine's monotonic clock (`memory/clock.ts`), which is the same in every thread.
 */
export interface ServicesThreadData {
  /** Key sets are kept in its `jwks` directory. */
  readonly dataDir: string;
  readonly coolDownMs: number;
  readonly staleMs: number;
}

export type ToServices =
  /** `port` must be in the transfer list. */
  | { readonly t: 'worker-joined'; readonly worker: number; readonly port: MessagePort }
  | { readonly t: 'worker-left'; readonly worker: number }
  /** From the control plane, by way of the sync thread; answered by `command-result` with the same id. */
  | { readonly t: 'command'; readonly id: string; readonly name: string; readonly args: Readonly<Record<string, unknown>> };

export type FromServices =
  | {
      readonly t: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly event: string;
      readonly fields: Readonly<Record<string, string | number>>;
    }
  | { readonly t: 'command-result'; readonly id: string; readonly ok: boolean; readonly body: unknown }
  | { readonly t: 'key-sets'; readonly sets: readonly KeySetCount[] };

/** For metrics. */
export interface KeySetCount {
  readonly issuer: string;
  readonly keys: number;
  /** null: never fetched. */
  readonly ageMs: number | null;
  readonly fetches: number;
  readonly failures: number;
}

/** The key set of one provider, to be imported by the worker before it is needed. Replaces the one before. */
export interface KeysMessage {
  readonly t: 'keys';
  readonly provider: string;
  readonly keys: readonly PublicJwk[];
  /** After this the issuer's tokens are answered 503. −Infinity: no set was ever fetched. */
  readonly usableUntilMs: number;
}
/** Nothing more is coming for this question; what it brought was sent before as `keys`. */
export interface WantAnswer {
  readonly t: 'want-answer';
  readonly id: number;
  readonly provider: string;
  /** Questions about unknown ids would change nothing before this. */
  readonly coolUntilMs: number;
}
export type ToTokenWorker = KeysMessage | WantAnswer;

export type FromTokenWorker =
  /** Providers of the worker's plan; replaces the list before. Their sets are sent at once and at every change. */
  | { readonly t: 'providers'; readonly providers: readonly TokenProvider[] }
  | { readonly t: 'want'; readonly id: number; readonly provider: string; readonly kid: string | null };
