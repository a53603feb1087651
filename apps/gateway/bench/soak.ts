/**
 * Bad company for two minutes: hundreds of clients and an upstream that stall, lie, break off and talk nonsense. The gateway must live,
 * keep its memory and its sockets, and answer honest requests as ever. Usage: soak.ts [--seconds=120] [--clients=500] [--seed=1]
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { residentKiB } from './measure.ts';
import { freePort } from './peers.ts';

export interface SoakReport {
  readonly seconds: number;
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Honest requests that were not answered as they should have been. */
  readonly wronged: number;
  readonly residentMiB: { readonly warm: number; readonly end: number };
  readonly sockets: { readonly before: number; readonly after: number };
  readonly alive: boolean;
}

/** Mulberry32: a fixed seed makes a run repeatable as far as the network lets it be. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Misdeed = (socket: net.Socket) => void;

const MISDEEDS: Readonly<Record<string, Misdeed>> = {
  stall: () => {},
  reset: (socket) => socket.resetAndDestroy(),
  fin: (socket) => socket.end(),
  garbage: (socket) => socket.end('NOPE\r\n\r\n'),
  short: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort'),
  long: (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad'),
  chunks: (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n'),
  endless: (socket) => socket.write(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(20_000)}`),
  drip: (socket) => {
    let left = 20;
    const timer = setInterval(() => {
      if (--left === 0) clearInterval(timer);
      socket.write('x');
    }, 100);
    socket.on('close', () => clearInterval(timer));
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n');
  },
  big: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
    socket.write(Buffer.alloc(1_000_000, 'x'));
  },
};

/** Speaks HTTP just well enough to find whole heads; `/bad/<misdeed>` does as it is told. */
function serveBadly(socket: net.Socket): void {
  let head = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    head += chunk.toString('latin1');
    if (head.length > 2_000_000) head = head.slice(-4096);
    const target = /^[A-Z]+ (\S+) HTTP\/1\.1\r\n(?:.+\r\n)*\r\n/.exec(head);
    if (target === null) return;
    const misdeed = MISDEEDS[target[1]!.slice('/bad/'.length)];
    const length = Number(/\r\ncontent-length: *([0-9]+)/i.exec(target[0])?.[1] ?? 0);
    if (/\r\ntransfer-encoding/i.test(target[0]) && !head.endsWith('0\r\n\r\n')) return;
    if (misdeed === undefined && head.length < target[0].length + length) return;
    head = '';
    if (misdeed === undefined) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    else misdeed(socket);
  });
}

interface Tally {
  sent: number;
  wronged: number;
  readonly statuses: Record<string, number>;
}

/** One client connection from beginning to end. */
async function misbehave(port: number, roll: () => number, tally: Tally, ending: () => boolean): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (chunk) => {
    if (text.length < 100_000) text += chunk.toString('latin1');
  });
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  const wait = (ms: number): Promise<unknown> => Promise.race([closed, new Promise((resolve) => setTimeout(resolve, ms))]);
  tally.sent++;
  const names = Object.keys(MISDEEDS);
  const kind = Math.floor(roll() * 10);
  const host = 'Host: soak.test\r\n';
  switch (kind) {
    case 0:
      socket.write('GET / HTTP/1.1\r\nHo'); // and never more
      await wait(roll() * 3000);
      break;
    case 1:
      for (let i = 0; i < 20 && !ending(); i++) {
        socket.write(i === 0 ? `POST /slow HTTP/1.1\r\n${host}Content-Length: 20\r\n\r\na` : 'a');
        await wait(20 + roll() * 60);
      }
      break;
    case 2:
      socket.write(`POST /cut HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\n${'a'.repeat(5000)}`);
      await wait(roll() * 200);
      break;
    case 3:
      socket.write(Buffer.from(Array.from({ length: 300 }, () => Math.floor(roll() * 256))));
      await wait(300);
      break;
    case 4:
      socket.pause();
      socket.write(`GET /bad/big HTTP/1.1\r\n${host}\r\n`.repeat(10));
      await wait(roll() * 2000);
      break;
    case 5:
    case 6:
      socket.write(`GET /bad/${names[Math.floor(roll() * names.length)]} HTTP/1.1\r\n${host}\r\n`);
      await wait(roll() * 2500);
      break;
    case 7:
      socket.write(
        `POST /chunks HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${'5\r\nhello\r\n'.repeat(200)}${roll() < 0.5 ? '0\r\n\r\n' : 'Q'}`,
      );
      await wait(300);
      break;
    default: {
      const count = 1 + Math.floor(roll() * 20);
      for (let i = 0; i < count; i++) socket.write(`GET /good/${i} HTTP/1.1\r\n${host}\r\n`);
      for (let i = 0; i < 100 && text.split('HTTP/1.1 200').length <= count; i++) await wait(50);
      if (text.split('HTTP/1.1 200').length !== count + 1) tally.wronged++;
    }
  }
  for (const match of text.matchAll(/HTTP\/1\.1 ([0-9]{3})/g)) tally.statuses[match[1]!] = (tally.statuses[match[1]!] ?? 0) + 1;
  if (roll() < 0.5) socket.destroy();
  else socket.resetAndDestroy();
  await closed;
}

const socketsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function runSoak(seconds: number, clients: number, seed: number): Promise<SoakReport> {
  const upstream = net.createServer(serveBadly);
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const port = await freePort();
  const args = [
    join(import.meta.dirname, 'wire-main.ts'),
    String(port),
    `http://127.0.0.1:${(upstream.address() as net.AddressInfo).port}`,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const pid = child.pid!;
  const before = socketsOf(pid);
  const tally: Tally = { sent: 0, wronged: 0, statuses: {} };
  const endMs = performance.now() + seconds * 1000;
  const ending = (): boolean => ended || performance.now() >= endMs;
  const lives = Array.from({ length: clients }, async (_, i) => {
    const roll = dice(seed * 1000 + i);
    while (!ending()) await misbehave(port, roll, tally, ending);
  });
  await sleep(Math.min(seconds / 3, 30) * 1000);
  const warm = ended ? 0 : residentKiB(pid) / 1024;
  await Promise.all(lives);
  // What lingers, stalls or idles has its own limits; after them nothing may be left but the listener and a few kept connections.
  for (let i = 0; i < 40 && !ended && socketsOf(pid) > before + 2; i++) await sleep(1000);
  const report: SoakReport = {
    seconds,
    sent: tally.sent,
    statuses: tally.statuses,
    wronged: tally.wronged,
    residentMiB: { warm, end: ended ? 0 : residentKiB(pid) / 1024 },
    sockets: { before, after: ended ? 0 : socketsOf(pid) },
    alive: !ended,
  };
  child.kill('SIGTERM');
  upstream.close();
  return report;
}

if (process.argv[1] === import.meta.filename) {
  const value = (name: string, otherwise: number): number =>
    Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
  const report = await runSoak(value('seconds', 120), value('clients', 500), value('seed', 1));
  console.log(JSON.stringify(report, null, 2));
  const leaked = report.sockets.after > report.sockets.before + 2 || report.residentMiB.end > report.residentMiB.warm * 1.5 + 32;
  process.exit(report.alive && report.wronged === 0 && !leaked ? 0 : 1);
}
