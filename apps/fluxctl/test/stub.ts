import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A control plane that answers from a table and keeps what it was asked. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}
export type Reply =
  | { readonly status?: number; readonly json: unknown; readonly headers?: Readonly<Record<string, string>> }
  | { readonly raw: (response: ServerResponse) => void };
export type Replies = Readonly<Record<string, Reply | ((seen: Seen) => Reply)>>;

export interface Stub {
  readonly url: string;
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

export const problem = (status: number, code: string, detail: string, more: object = {}): Reply => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  json: {
    type: `https://fluxgate.dev/problems/${code}`,
    title: code.replaceAll('_', ' '),
    status,
    code,
    detail,
    hint: null,
    requestId: 'req_1',
    retryable: status >= 500,
    ...more,
  },
});

/** `replies` by `METHOD /path`; anything else is a 404 problem. */
export function startStub(replies: Replies): Promise<Stub> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://stub');
      const text = Buffer.concat(chunks).toString('utf8');
      const one: Seen = {
        method: request.method ?? '',
        path: decodeURIComponent(url.pathname),
        query: Object.fromEntries(url.searchParams),
        headers: request.headers,
        body: text === '' ? null : JSON.parse(text),
      };
      seen.push(one);
      const found = replies[`${one.method} ${one.path}`] ?? problem(404, 'not_found', `no ${one.method} ${one.path}`);
      const reply = typeof found === 'function' ? found(one) : found;
      if ('raw' in reply) {
        reply.raw(response);
        return;
      }
      response.writeHead(reply.status ?? 200, {
        'content-type': 'application/json',
        'x-request-id': 'req_1',
        ...reply.headers,
      });
      response.end(JSON.stringify(reply.json));
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        seen,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}
