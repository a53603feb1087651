import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { parseNodeToken } from '@fluxgate/protocol/sync';
import type { WebSocket, WebSocketServer } from 'ws';
import type { HubLog, HubOptions, TokenHolder } from './options.ts';

export const SYNC_PATH = '/v1/sync';
const SUBPROTOCOL = 'fluxgate.sync.v1';

const refusals = {
  401: 'Unauthorized',
  404: 'Not Found',
  503: 'Service Unavailable',
} as const;

function refuse(socket: Duplex, status: keyof typeof refusals, code: string): void {
  const body = JSON.stringify({ code });
  const extra = status === 401 ? 'WWW-Authenticate: Bearer\r\n' : status === 503 ? 'Retry-After: 1\r\n' : '';
  socket.end(
    `HTTP/1.1 ${status} ${refusals[status]}\r\n${extra}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** The token in the header, without the fingerprint a node token carries for the node's own use. */
function tokenOf(request: IncomingMessage): string | null {
  const given = request.rawHeaders.filter((_, i) => i % 2 === 1 && request.rawHeaders[i - 1]?.toLowerCase() === 'authorization');
  const text = given.length === 1 ? /^Bearer +(\S{1,400})$/i.exec(given[0] ?? '')?.[1] : undefined;
  if (text === undefined) return null;
  return parseNodeToken(text)?.credential ?? text;
}

export interface Door {
  readonly sockets: WebSocketServer;
  readonly verify: HubOptions['verifyNodeToken'];
  readonly log: HubLog;
  /** Full, or closing. */
  readonly isShut: () => boolean;
  readonly admitted: (socket: WebSocket, holder: TokenHolder, address: string) => void;
}

/** Answers upgrades to `/v1/sync`; everything else that wants to upgrade gets 404. */
export function attachUpgrade(server: Server, door: Door): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    void admit(request, socket, head, door).catch((error: unknown) => {
      door.log.error({ err: error }, 'sync: an upgrade failed');
      refuse(socket, 503, 'unavailable');
    });
  });
}

async function admit(request: IncomingMessage, socket: Duplex, head: Buffer, door: Door): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  if (path !== SYNC_PATH) return refuse(socket, 404, 'not_found');
  if (door.isShut()) return refuse(socket, 503, 'unavailable');
  const address = request.socket.remoteAddress ?? '';
  const token = tokenOf(request);
  if (token === null) return refuse(socket, 401, 'unauthenticated');
  let holder: TokenHolder | null;
  try {
    holder = await door.verify(token);
  } catch (error) {
    door.log.warn({ err: error, address }, 'sync: a node token could not be checked');
    return refuse(socket, 503, 'unavailable');
  }
  if (holder === null) {
    door.log.warn({ address }, 'sync: refused a connection without a valid node token');
    return refuse(socket, 401, 'unauthenticated');
  }
  if (socket.destroyed) return;
  const admitted = holder;
  door.sockets.handleUpgrade(request, socket, head, (webSocket) => door.admitted(webSocket, admitted, address));
}

/** Chooses our subprotocol if it is offered; a client that offers none is told by the hello which version is spoken. */
export const chooseProtocol = (offered: Set<string>): string | false => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false);
