import type { Socket } from 'node:net';
import type { Address } from '@fluxgate/policy';
import { type ProxyMode, readProxyHeader } from './proxy-header.ts';

/** What a proxy said of a connection. */
export interface Proxied {
  readonly source: Address | null;
  readonly vpcEndpoint: string | null;
}

/**
 * Takes the PROXY header off a fresh connection. `done` finds the connection paused, with what the client sent behind the header put
 * back. It is not called when the connection was closed because the header was malformed, late, or never came.
 */
export function readProxied(socket: Socket, mode: ProxyMode, timeoutMs: number, done: (proxied: Proxied) => void): void {
  let held: Buffer | null = null;
  const timer = setTimeout(end, timeoutMs);
  timer.unref();
  const leave = (): void => {
    clearTimeout(timer);
    socket.off('data', onData).off('end', end).off('close', end).off('error', end);
  };
  function end(): void {
    leave();
    socket.on('error', () => {});
    socket.destroy();
  }
  const onData = (chunk: Buffer): void => {
    held = held === null ? chunk : Buffer.concat([held, chunk]);
    const reading = readProxyHeader(held, held.length, mode);
    if (reading.kind === 'more') return;
    if (reading.kind === 'bad') {
      end();
      return;
    }
    leave();
    socket.pause();
    if (held.length > reading.length) socket.unshift(held.subarray(reading.length));
    done(reading);
  };
  socket.on('data', onData).on('end', end).on('close', end).on('error', end);
}
