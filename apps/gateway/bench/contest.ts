import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { measure, median, residentKiB, type Sample } from './measure.ts';
import type { Peer } from './peers.ts';
import type { Row } from './report.ts';

/** One proxy in one case, under the load that is meant for it. */
export interface Lane {
  /** In the table. */
  readonly name: string;
  readonly peer: Peer;
  /** Lua for wrk. */
  readonly script: string;
  readonly connections: number;
  readonly tls?: boolean;
  readonly expectRefusals?: boolean;
}

export interface Rounds {
  readonly dir: string;
  readonly rounds: number;
  readonly seconds: number;
  /** Before the first round, each; a fresh process needs more than one that has been through a case. */
  readonly warmSeconds?: number;
}

/** Lanes in turn within each round, so that what slows the machine slows all of them; medians over the rounds, quotients of the same round. */
export async function contest(
  name: string,
  lanes: readonly Lane[],
  { dir, rounds, seconds, warmSeconds = 1 }: Rounds,
): Promise<Row[]> {
  const samples = lanes.map((): Sample[] => []);
  const run = (lane: Lane, i: number, secs: number): Promise<Sample> => {
    const script = join(dir, `${name}-${i}.lua`);
    writeFileSync(script, lane.script, { mode: 0o600 });
    const { peer, connections, tls = false, expectRefusals = false } = lane;
    const port = tls ? (peer.tlsPort ?? peer.port) : peer.port;
    return measure({ port, tls, pid: peer.pid, script, seconds: secs, connections, expectRefusals });
  };
  for (const [i, lane] of lanes.entries()) await run(lane, i, warmSeconds);
  for (let round = 0; round < rounds; round++)
    for (const [i, lane] of lanes.entries()) samples[i]!.push(await run(lane, i, seconds));
  return lanes.map((lane, i) => {
    const mine = samples[i]!;
    const over = (pick: (sample: Sample) => number) => (other: number) =>
      median(mine.map((sample, round) => pick(sample) / pick(samples[other]![round]!)));
    const table = (of: (other: number) => number): Record<string, number> =>
      Object.fromEntries(lanes.flatMap((other, j) => (j === i ? [] : [[other.name, of(j)]])));
    return {
      case: name,
      peer: lane.name,
      perCoreSecond: median(mine.map((sample) => sample.perCoreSecond)),
      perSecond: median(mine.map((sample) => sample.perSecond)),
      ratios: table(over((sample) => sample.perCoreSecond)),
      p99Ratios: table(over((sample) => sample.p99Ms)),
      p50Ms: median(mine.map((sample) => sample.p50Ms)),
      p99Ms: median(mine.map((sample) => sample.p99Ms)),
      memoryMiB: residentKiB(lane.peer.pid) / 1024,
      unexpected: mine.reduce((sum, sample) => sum + sample.unexpected, 0),
    };
  });
}
