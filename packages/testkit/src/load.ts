import { Pool } from 'undici';
import { sleep } from './waiting.ts';

export interface LoadReport {
  /** status → how many. 0 counts requests that got no answer. */
  readonly byStatus: Map<number, number>;
  readonly sent: number;
  /** The first answers that were not 2xx, for a failing test to show. */
  readonly odd: { status: number; body: string; atMs: number }[];
}

/**
 * Sends requests at a steady rate to several targets in turn until stopped; `key` is asked before each request.
 * Open loop: a slow answer does not hold back the next request.
 */
export function startLoad(
  targets: readonly string[],
  path: string,
  ratePerS: number,
  key: () => string,
): { stop(): Promise<LoadReport> } {
  const pools = targets.map((origin) => new Pool(origin, { connections: 32, pipelining: 1 }));
  const byStatus = new Map<number, number>();
  const odd: LoadReport['odd'] = [];
  let sent = 0;
  let stopped = false;
  const pending = new Set<Promise<void>>();
  const startedMs = Date.now();

  const one = async (): Promise<void> => {
    const pool = pools[sent % pools.length] as Pool;
    sent += 1;
    let status = 0;
    let body = '';
    try {
      const response = await pool.request({ method: 'GET', path, headers: { 'x-fluxgate-api-key': key() } });
      status = response.statusCode;
      body = await response.body.text();
    } catch (error) {
      body = String(error);
    }
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
    if ((status < 200 || status > 299) && odd.length < 10) odd.push({ status, body, atMs: Date.now() - startedMs });
  };

  const loop = (async () => {
    while (!stopped) {
      const due = Math.floor(((Date.now() - startedMs) / 1000) * ratePerS);
      while (sent < due && !stopped) {
        const request = one().finally(() => pending.delete(request));
        pending.add(request);
      }
      await sleep(5);
    }
  })();

  return {
    async stop() {
      stopped = true;
      await loop;
      await Promise.all(pending);
      await Promise.all(pools.map((pool) => pool.close()));
      return { byStatus, sent, odd };
    },
  };
}
