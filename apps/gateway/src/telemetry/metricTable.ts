/** Every metric of a node. Reading this table is what makes them (`status/metrics.ts`) and what documents them (`docs/metrics.md`). */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** Routes and targets that get a label value of their own; what comes later is counted under `other`. */
export const LABEL_VALUES_MAX = 1000;
export const OTHER = 'other';

/** Upper bounds in seconds of what a client waits for. */
export const LATENCY_BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
/** Upper bounds in seconds of what the gateway adds: nearly all of it lies below a millisecond. */
export const ADDED_BOUNDS_S = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1] as const;

const counter = (help: string, ...labels: string[]): MetricSpec => ({ type: 'counter', labels, help });
const gauge = (help: string, ...labels: string[]): MetricSpec => ({ type: 'gauge', labels, help });
const histogram = (help: string, ...labels: string[]): MetricSpec => ({ type: 'histogram', labels, help });

export const METRICS = {
  fluxgate_build_info: gauge('Always 1; the version is a label', 'version'),

  fluxgate_requests_total: counter(
    'Requests by route (`-`: none matched), status class (`0xx`: broken before an answer) and, where the gateway refused, code',
    'route',
    'status',
    'code',
  ),
  fluxgate_request_duration_seconds: histogram(
    'From the last byte of the head to the last byte of the answer handed to the socket; upgraded streams are left out',
    'route',
  ),
  fluxgate_gateway_duration_seconds: histogram(
    'What the gateway added: the total without the time from handing the request to a connection of the upstream until its last byte. Waiting for a connection counts as added',
    'route',
  ),
  fluxgate_received_bytes_total: counter('Bytes of requests received from clients'),
  fluxgate_sent_bytes_total: counter('Bytes of responses sent to clients'),
  fluxgate_connections: gauge('Client connections open now'),
  fluxgate_streams: gauge('Upgraded streams (WebSocket) open now'),
  fluxgate_limit_authority_losses_total: counter(
    'Requests whose exact limit could not be counted, and what `on_authority_loss` did',
    'limit',
    'did',
  ),

  fluxgate_upstream_up: gauge('1 while the health check of every worker passes, and where there is none', 'target'),
  fluxgate_upstream_ejected: gauge('Workers that send nothing to the target because its circuit is open', 'target'),
  fluxgate_upstream_connections: gauge('Connections open to the target', 'target'),
  fluxgate_upstream_requests: gauge('Requests that hold or wait for a connection to the target', 'target'),
  fluxgate_upstream_waiting: gauge('Requests that wait for a connection to the target', 'target'),
  fluxgate_upstream_waits_total: counter('Requests that had to wait for a connection to the target', 'target'),

  fluxgate_workers: gauge('Request workers that serve'),
  fluxgate_workers_wanted: gauge('Request workers that should serve'),
  fluxgate_thread_restarts_total: counter('Threads that died and were started again', 'thread'),
  fluxgate_listener_open: gauge('1 while a listener of the configuration takes connections', 'listener'),
  fluxgate_tls_certificate_end_seconds: gauge('When the first certificate of a listener ends, seconds since 1970', 'listener'),

  fluxgate_sync_connected: gauge('1 while a control plane is connected'),
  fluxgate_sync_state: gauge('1 for the state the node is in: `empty` (none yet), `static` (from disk alone), `live`', 'state'),
  fluxgate_sync_head_revision: gauge('Newest revision the control plane told of'),
  fluxgate_sync_applied_revision: gauge('Revision that decides requests'),
  fluxgate_sync_durable_revision: gauge('Revision that a restart would find'),
  fluxgate_sync_staleness_seconds: gauge(
    'Time since the control plane vouched for the state; where it has not since the start, time since then',
  ),
  fluxgate_sync_quarantined: gauge('Entities that were held back because they cannot be understood'),
  fluxgate_sync_frames: gauge('State frames since the sync thread started, by what became of them', 'outcome'),

  fluxgate_keys: gauge('Key versions in the index'),
  fluxgate_key_index_slots: gauge('Slots of the key index; it grows when four fifths are in use'),
  fluxgate_rate_cells_crowded: gauge(
    'Requests whose rate was counted together with others because the memory for rates was full, since start',
  ),
  fluxgate_lease_cells: gauge('Room for leased subjects (a key and its quota or budget), all and in use', 'state'),
  fluxgate_leases: gauge('Lease requests since the sync thread started, by outcome', 'outcome'),

  fluxgate_jwks_keys: gauge('Usable keys of a token issuer', 'issuer'),
  fluxgate_jwks_age_seconds: gauge('Time since the keys of a token issuer were fetched', 'issuer'),
  fluxgate_jwks_fetches: gauge('Attempts to fetch the keys of a token issuer, since the thread started', 'issuer'),
  fluxgate_jwks_failures: gauge('Attempts that failed since the last that did not', 'issuer'),

  fluxgate_access_log_lines_total: counter('Lines given to the access log'),
  fluxgate_access_log_dropped_total: counter(
    'Lines left out of the access log: `worker` (more refusals than its bound, or main does not take lines), `output` (stdout is slow)',
    'where',
  ),
  fluxgate_spans_exported_total: counter('Spans that the OTLP collector took'),
  fluxgate_spans_dropped_total: counter(
    'Spans lost: `worker` (main does not take them), `queue` (the collector is slower than the traffic), `collector` (it refused them, or is down)',
    'where',
  ),
} as const satisfies Readonly<Record<string, MetricSpec>>;

export type MetricName = keyof typeof METRICS;
