import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';

export interface EchoUpstream {
  readonly url: string;
  /** Close frames as the upstream heard them, in order. `masked`: by the bytes on its socket. */
  readonly closes: { readonly code: number; readonly reason: string; readonly masked: boolean }[];
  close(): Promise<void>;
}

/** A WebSocket service that echoes messages, and by plain HTTP answers a line every 50 ms without end (`/drip`) or at once (anything else). */
export async function startEchoUpstream(): Promise<EchoUpstream> {
  const closes: EchoUpstream['closes'][number][] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (!request.url?.startsWith('/drip')) {
      response.setHeader('content-type', 'text/plain');
      return void setTimeout(() => response.end('ok'), 20);
    }
    response.writeHead(200, { 'content-type': 'text/plain' });
    const timer = setInterval(() => response.write('drip\n'), 50);
    response.on('close', () => clearInterval(timer));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request: IncomingMessage) => {
    const raw: Socket = request.socket;
    let masked = false;
    raw.prependListener('data', (chunk: Buffer) => {
      // A close frame that comes by itself; `ws` refuses unmasked ones in any case.
      if (chunk[0] === 0x88) masked = ((chunk[1] ?? 0) & 0x80) !== 0;
    });
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => {});
    socket.on('close', (code, reason) => closes.push({ code, reason: reason.toString('utf8'), masked }));
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    closes,
    close: () =>
      new Promise((done) => {
        for (const one of sockets.clients) one.terminate();
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
