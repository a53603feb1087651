import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import type { Config } from '../config.ts';

/** The listener cannot be opened; the message says what to do. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
}

export interface Listening {
  readonly server: Server;
  /** The port that was bound; differs from the configured one when that was 0. */
  readonly port: number;
  /** Takes no new connection, lets running requests end, then closes what is left. */
  close(graceMs: number): Promise<void>;
}

function createListener(app: Express, tls: Config['tls']): Server {
  if (tls === null) return createServer(app);
  try {
    return createTlsServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile), minVersion: 'TLSv1.2' }, app);
  } catch (error) {
    throw new CannotListen(
      `FLUXGATE_ADMIN_TLS_CERT and FLUXGATE_ADMIN_TLS_KEY do not make a certificate: ${(error as Error).message}`,
    );
  }
}

export async function listen(
  app: Express,
  config: Pick<Config, 'adminHost' | 'adminPort' | 'tls'>,
  prepare: (server: Server) => void,
): Promise<Listening> {
  const server = createListener(app, config.tls);
  // A request has to arrive within these times; answers may take as long as `?timeout=` asks.
  server.headersTimeout = 10_000;
  server.requestTimeout = 60_000;
  prepare(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new CannotListen(listenProblem(error, config))));
    server.listen({ host: config.adminHost, port: config.adminPort }, resolve);
  });
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close: (graceMs) =>
      new Promise((resolve) => {
        const deadline = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(deadline);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function listenProblem(
  { code, message }: NodeJS.ErrnoException,
  { adminHost, adminPort }: Pick<Config, 'adminHost' | 'adminPort'>,
): string {
  const place = `${adminHost}:${adminPort}`;
  if (code === 'EADDRINUSE') return `${place} is taken by another process: stop it, or set FLUXGATE_ADMIN_PORT`;
  if (code === 'EACCES') return `this user may not listen on ${place}: set FLUXGATE_ADMIN_PORT to a port above 1023`;
  if (code === 'EADDRNOTAVAIL') return `${adminHost} is not an address of this machine: set FLUXGATE_ADMIN_HOST`;
  return `${place} cannot be listened on: ${message}`;
}
