import type { MessagePort } from 'node:worker_threads';
import type { AccessLog } from '../config.ts';
import type { ListenerState } from '../listeners/listener.ts';
import type { LeaseHandles, RateHandles, ReplayHandles } from '../memory/handles.ts';

/** What main and a request worker say to each other. What the worker and the sync thread say: `sync/thread-messages.ts`. */
export interface WorkerData {
  readonly worker: number;
  readonly realm: string;
  readonly host: string;
  readonly port: number;
  /** A configured listener has taken the place of `port`: a worker that is replaced must not open it meanwhile. */
  readonly isPortCovered: boolean;
  /** Several workers share one port; false where the platform cannot. */
  readonly reusePort: boolean;
  readonly rates: RateHandles;
  readonly replays: ReplayHandles;
  readonly leases: LeaseHandles;
  readonly sync: MessagePort;
  /** To the services thread; messages: `services/messages.ts`. */
  readonly services: MessagePort;
  readonly accessLog: AccessLog;
  readonly staleAfterMs: number | null;
  /** Directory of the node's own TLS files; references of the configuration never leave it. */
  readonly tlsDir: string;
}

export type ToWorkerThread =
  /** The sync thread was restarted: talk to the new one. */
  | { readonly t: 'sync'; readonly port: MessagePort }
  /** Likewise the services thread. */
  | { readonly t: 'services'; readonly port: MessagePort }
  /** Read TLS files anew, changed or not. */
  | { readonly t: 'reload' }
  | { readonly t: 'drain'; readonly deadlineMs: number };

export type FromWorkerThread =
  | { readonly t: 'listening'; readonly port: number }
  | { readonly t: 'cannot-listen'; readonly code: string; readonly message: string }
  /** `serving`: index and plan are there. */
  | { readonly t: 'serving'; readonly revision: number }
  /** All configured listeners, whenever one of them is different. */
  | { readonly t: 'listeners'; readonly states: readonly ListenerState[] }
  | { readonly t: 'report'; readonly report: WorkerReport }
  | {
      readonly t: 'log';
      readonly level: 'warn' | 'error';
      readonly event: string;
      readonly fields: Readonly<Record<string, string | number>>;
    }
  | { readonly t: 'drained' };

/** What a worker counted since its last report. */
export interface WorkerReport {
  readonly requests: readonly RequestCount[];
  readonly latencies: readonly LatencyCount[];
  /** Limits that were not enforced exactly because the control plane could not be asked. */
  readonly losses: readonly {
    readonly limit: 'quota' | 'budget';
    readonly did: 'deny' | 'local' | 'allow';
    readonly count: number;
  }[];
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly accessLines: readonly AccessLine[];
  /** Lines left out because there were too many. */
  readonly accessSkipped: number;
}

export interface RequestCount {
  readonly route: string;
  /** `2xx` … */
  readonly status: string;
  /** Refusal code, empty if the gateway did not refuse. */
  readonly code: string;
  readonly count: number;
}

export interface LatencyCount {
  readonly route: string;
  /** One count per bound of `LATENCY_BOUNDS_S`, and one above; not cumulative. */
  readonly buckets: readonly number[];
  readonly sumS: number;
}

/** Upper bounds in seconds. Most of what a gateway adds lies below a millisecond. */
export const LATENCY_BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** No query, no headers: nothing in it may hold a credential. */
export interface AccessLine {
  readonly time: number;
  readonly traceId: string;
  readonly client: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly route: string | null;
  readonly status: number;
  readonly code: string | null;
  readonly because: string | null;
  readonly principal: string | null;
  readonly upstream: string | null;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly fault: string | null;
}
