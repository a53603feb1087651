import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { CannotOpen } from '../ports/faults.ts';

interface Holder {
  readonly pid: number;
  /** Start of the process in clock ticks since boot, so that a reused pid is not taken for the holder; null outside Linux. */
  readonly startedTicks: string | null;
}

function startedTicks(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Field 22; the command in field 2 may hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const now = startedTicks(holder.pid);
  return holder.startedTicks === null || now === null || now === holder.startedTicks;
}

function readHolder(path: string): Holder | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null || !('pid' in parsed) || typeof parsed.pid !== 'number') return null;
    const ticks = 'startedTicks' in parsed && typeof parsed.startedTicks === 'string' ? parsed.startedTicks : null;
    return { pid: parsed.pid, startedTicks: ticks };
  } catch {
    return null;
  }
}

/**
 * Takes `path` for this process until `release`. PGlite does not notice a second process on its directory, and two of them
 * destroy it. A lock whose holder died is taken over. Throws `CannotOpen` while the holder lives.
 */
export function lockDirectory(path: string, directory: string): { release(): void } {
  const mine = `${path}.${process.pid}.${process.hrtime.bigint()}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, startedTicks: startedTicks(process.pid) }), { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(mine, path); // appears whole or not at all
        return { release: () => unlinkSync(path) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = readHolder(path);
      if (holder !== null && isAlive(holder)) {
        throw new CannotOpen(
          `the database in ${directory} is open in process ${holder.pid}: stop that process, or use another directory. ` +
            'Several control planes need a Postgres server (DATABASE_URL=postgres://…).',
        );
      }
      // Dead holder. Whoever renames it away first may try again; the others find it gone.
      const stale = `${mine}.stale`;
      try {
        renameSync(path, stale);
        unlinkSync(stale);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    throw new CannotOpen(`the lock ${path} changes hands all the time: are several processes starting on ${directory}?`);
  } finally {
    unlinkSync(mine);
  }
}
