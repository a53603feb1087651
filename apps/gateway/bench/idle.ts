import net from 'node:net';
import { residentKiB } from './measure.ts';
import type { Peer } from './peers.ts';
import type { IdleRow } from './report.ts';

const AT_ONCE = 50;
const SETTLE_MS = 500;
const REQUEST = 'GET /open/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

const settle = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));

function open(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(REQUEST));
    socket.once('data', () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`port ${port} closed a connection that was to idle`)));
  });
}

async function openMany(port: number, count: number): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  while (sockets.length < count)
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () => open(port)))));
  return sockets;
}

/** Resident memory before and after so many connections were opened, each after one answered request. */
export async function idleMemory(peer: Peer, connections: number): Promise<IdleRow> {
  for (const socket of await openMany(peer.port, 500)) socket.destroy();
  await settle();
  const before = residentKiB(peer.pid);
  const sockets = await openMany(peer.port, connections);
  await settle();
  const after = residentKiB(peer.pid);
  for (const socket of sockets) socket.destroy();
  await settle();
  return { peer: peer.name, connections, kibPerConnection: (after - before) / connections };
}
