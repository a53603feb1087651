import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

export interface StatusParts {
  readonly readiness: () => Readiness;
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
}

/** /livez, /readyz, /metrics on a port of their own, so that no route can cover them and no traffic can starve them. */
export function createStatusServer(parts: StatusParts): Server {
  return createServer((request, response) => {
    const send = (status: number, type: string, body: string): void => {
      response.writeHead(status, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    const sendJson = (status: number, value: unknown): void => send(status, 'application/json', `${JSON.stringify(value)}\n`);
    if (request.method !== 'GET' && request.method !== 'HEAD') return sendJson(405, { error: 'method_not_allowed' });
    switch ((request.url ?? '/').split('?', 1)[0]) {
      case '/livez':
        return sendJson(200, { live: true });
      case '/readyz': {
        const now = parts.readiness();
        return sendJson(now.ready ? 200 : 503, now);
      }
      case '/metrics':
        parts.metrics.text().then(
          (text) => send(200, parts.metrics.contentType, text),
          (error: unknown) => sendJson(500, { error: 'internal', message: String(error) }),
        );
        return;
      default:
        return sendJson(404, { error: 'not_found', there: ['/livez', '/readyz', '/metrics'] });
    }
  });
}

/** Resolves with the port. Rejects with the error of `listen`. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
