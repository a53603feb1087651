import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A token issuer for tests that can be made to misbehave: a real HTTP server on loopback. */
export interface LyingIssuer {
  readonly url: string;
  readonly asked: string[];
  /** How every request is answered from now on. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  close(): Promise<void>;
}

export const json =
  (document: unknown, headers: Record<string, string> = {}) =>
  (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    response.end(typeof document === 'string' ? document : JSON.stringify(document));
  };

export const status =
  (code: number, headers: Record<string, string> = {}, body = 'no') =>
  (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(code, headers);
    response.end(body);
  };

export async function startIssuer(): Promise<LyingIssuer> {
  const asked: string[] = [];
  const issuer: { answer: LyingIssuer['answer'] } = { answer: status(404) };
  const server: Server = createServer((request, response) => {
    asked.push(request.url ?? '');
    issuer.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(issuer, {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
