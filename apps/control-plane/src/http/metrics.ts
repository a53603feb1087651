import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Counters of one control plane; labels are operation ids and statuses, never names or credentials. */
export interface Metrics {
  request(operation: string, status: number, seconds: number): void;
  authFailure(): void;
  tokenIssued(): void;
  /** Seen last of the secret store. */
  secretStore(isUp: boolean): void;
  job(name: string, outcome: 'done' | 'failed'): void;
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export function createMetrics(version: string, nodes: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'fluxgate_admin_requests_total',
    help: 'Requests of the admin API',
    labelNames: ['operation', 'status'],
    registers,
  });
  const duration = new Histogram({
    name: 'fluxgate_admin_request_seconds',
    help: 'Time to answer a request of the admin API',
    labelNames: ['operation'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers,
  });
  const failures = new Counter({
    name: 'fluxgate_admin_auth_failures_total',
    help: 'Requests without a valid admin token',
    registers,
  });
  const tokens = new Counter({
    name: 'fluxgate_issuer_tokens_total',
    help: 'Access tokens made by the token endpoint',
    registers,
  });
  const jobs = new Counter({
    name: 'fluxgate_job_runs_total',
    help: 'Runs of background jobs',
    labelNames: ['job', 'outcome'],
    registers,
  });
  const secretStore = new Gauge({
    name: 'fluxgate_secret_store_up',
    help: '1: the secret store (Vault or local) answers this control plane',
    registers,
  });
  new Gauge({
    name: 'fluxgate_sync_nodes',
    help: 'Nodes connected to this control plane',
    registers,
    collect() {
      this.set(nodes());
    },
  });
  new Gauge({ name: 'fluxgate_build_info', help: 'Version of this program', labelNames: ['version'], registers }).set(
    { version },
    1,
  );
  return {
    request: (operation, status, seconds) => {
      requests.inc({ operation, status: String(status) });
      duration.observe({ operation }, seconds);
    },
    authFailure: () => failures.inc(),
    secretStore: (isUp) => secretStore.set(isUp ? 1 : 0),
    tokenIssued: () => tokens.inc(),
    job: (job, outcome) => jobs.inc({ job, outcome }),
    text: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
