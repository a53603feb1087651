import { readFileSync, writeFileSync } from 'node:fs';

/** Remembers the processes of a run, so that the next one can wait for those that a kill left stopping. */
export class RunRecord {
  readonly #path: string;
  /** The supervisor first, then its children. */
  readonly #pids: number[];

  constructor(path: string, supervisor: number) {
    this.#path = path;
    this.#pids = [supervisor];
  }

  add(pid: number): void {
    this.#pids.push(pid);
    writeFileSync(this.#path, this.#pids.join('\n'), { mode: 0o600 });
  }

  /** Children of a run whose supervisor is gone, still stopping. None while it lives: then that run is simply running. A number that another program has by now costs a wait, nothing more. */
  static left(path: string): number[] {
    let text = '';
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      return [];
    }
    const [supervisor = 0, ...children] = text.split('\n').map(Number);
    if (!Number.isInteger(supervisor) || supervisor < 2 || isAlive(supervisor)) return [];
    return children.filter((pid) => Number.isInteger(pid) && pid > 1 && isAlive(pid));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
