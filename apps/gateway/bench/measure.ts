import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TICKS_PER_SECOND = 100;

/** One load run against one proxy. */
export interface Sample {
  readonly requests: number;
  readonly cpuSeconds: number;
  /** Requests per second of the proxy's processor time. */
  readonly perCoreSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly unexpected: number;
}

/** Processor time of a process so far, user and system, in seconds. */
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
  readonly pid: number;
  readonly script: string;
  readonly seconds: number;
  readonly connections: number;
  /** Answers outside 2xx are what this case wants. */
  readonly expectRefusals: boolean;
}

/** wrk on the second core, the proxy's clock read before and after. */
export async function measure(load: Load): Promise<Sample> {
  const before = cpuSeconds(load.pid);
  const args = [
    '-c',
    '1',
    'wrk',
    '-t1',
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    '--latency',
    '-s',
    load.script,
    `http://127.0.0.1:${load.port}`,
  ];
  const { stdout } = await run('taskset', args);
  const used = cpuSeconds(load.pid) - before;
  const requests = Number(/([0-9]+) requests in/.exec(stdout)?.[1] ?? 0);
  const others = Number(/Non-2xx or 3xx responses: ([0-9]+)/.exec(stdout)?.[1] ?? 0);
  const sockets = /Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)/.exec(stdout);
  const broken = sockets === null ? 0 : Number(sockets[1]) + Number(sockets[2]) + Number(sockets[3]) + Number(sockets[4]);
  return {
    requests,
    cpuSeconds: used,
    perCoreSecond: used > 0 ? requests / used : 0,
    p50Ms: millis(/50%\s+(\S+)/.exec(stdout)?.[1]),
    p99Ms: millis(/99%\s+(\S+)/.exec(stdout)?.[1]),
    unexpected: broken + (load.expectRefusals ? requests - others : others),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
