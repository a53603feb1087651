import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cores, track } from './peers.ts';

const TICKS_PER_SECOND = 100;

/** One load run against one proxy. */
export interface Sample {
  readonly requests: number;
  readonly cpuSeconds: number;
  /** Requests per second of the proxy's processor time. */
  readonly perCoreSecond: number;
  /** Requests per second by the clock on the wall. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly unexpected: number;
}

/** Processor time of a process so far, user and system, all threads, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory in KiB. */
export const residentKiB = (pid: number): number =>
  Number(/VmRSS:\s+([0-9]+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

const millis = (text: string | undefined): number => {
  const match = /^([0-9.]+)(us|ms|s|m)$/.exec(text ?? '');
  if (match === null) return Number.NaN;
  return Number(match[1]) * { us: 0.001, ms: 1, s: 1000, m: 60_000 }[match[2] as 'us' | 'ms' | 's' | 'm'];
};

export interface Load {
  readonly port: number;
  /** `port` speaks TLS. */
  readonly tls?: boolean;
  readonly pid: number;
  readonly script: string;
  readonly seconds: number;
  readonly connections: number;
  /** Answers outside 2xx are what this case wants. */
  readonly expectRefusals: boolean;
}

/** wrk on the cores of the load, the proxy's clock read before and after. */
export async function measure(load: Load): Promise<Sample> {
  const before = cpuSeconds(load.pid);
  const stdout = await wrk([
    '-t1',
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    '--latency',
    '-s',
    load.script,
    `${load.tls === true ? 'https' : 'http'}://127.0.0.1:${load.port}`,
  ]);
  const used = cpuSeconds(load.pid) - before;
  const requests = Number(/([0-9]+) requests in/.exec(stdout)?.[1] ?? 0);
  const others = Number(/Non-2xx or 3xx responses: ([0-9]+)/.exec(stdout)?.[1] ?? 0);
  const sockets = /Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)/.exec(stdout);
  const broken = sockets === null ? 0 : Number(sockets[1]) + Number(sockets[2]) + Number(sockets[3]) + Number(sockets[4]);
  return {
    requests,
    cpuSeconds: used,
    perCoreSecond: used > 0 ? requests / used : 0,
    perSecond: Number(/Requests\/sec:\s+([0-9.]+)/.exec(stdout)?.[1] ?? Number.NaN),
    p50Ms: millis(/50%\s+(\S+)/.exec(stdout)?.[1]),
    p99Ms: millis(/99%\s+(\S+)/.exec(stdout)?.[1]),
    unexpected: broken + (load.expectRefusals ? requests - others : others),
  };
}

async function wrk(args: readonly string[]): Promise<string> {
  const child = track(spawn('taskset', ['-c', cores().load, 'wrk', ...args], { stdio: ['ignore', 'pipe', 'inherit'] }));
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`wrk ended with ${code}: ${stdout}`);
  return stdout;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
