import type { MessagePort } from 'node:worker_threads';
import type { WireStats } from '../http/wire.ts';
import type { ListenerState } from '../listeners/listener.ts';
import type { LeaseHandles, RateHandles, ReplayHandles } from '../memory/handles.ts';
import type { AccessPolicy } from '../telemetry/accessPolicy.ts';
import type { Parcels } from '../telemetry/recorder.ts';

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
  readonly accessLog: AccessPolicy;
  /** Spans of sampled traces are wanted. */
  readonly spans: boolean;
  readonly traceRatio: number;
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
  /** So many bytes of lines and spans were taken over. */
  | { readonly t: 'parcels-taken'; readonly lineBytes: number; readonly spanBytes: number }
  | { readonly t: 'drain'; readonly deadlineMs: number };

export type FromWorkerThread =
  | { readonly t: 'listening'; readonly port: number }
  | { readonly t: 'cannot-listen'; readonly code: string; readonly message: string }
  /** `serving`: index and plan are there. */
  | { readonly t: 'serving'; readonly revision: number }
  /** All configured listeners, whenever one of them is different. */
  | { readonly t: 'listeners'; readonly states: readonly ListenerState[] }
  | { readonly t: 'report'; readonly report: WorkerReport }
  /** Once a second. */
  | { readonly t: 'gauges'; readonly gauges: WorkerGauges }
  /** Answered by `parcels-taken`. */
  | { readonly t: 'parcels'; readonly parcels: Parcels }
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
}

/** What is open in a worker now. */
export interface WorkerGauges {
  readonly connections: number;
  readonly streams: number;
  readonly targets: WireStats['targets'];
  /** Of the shared key index; 0: it has not been told of one. */
  readonly indexSlots: number;
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
  /** The same for what the gateway added, by `ADDED_BOUNDS_S`. */
  readonly added: readonly number[];
  readonly addedSumS: number;
}
