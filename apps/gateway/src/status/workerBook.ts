import type { WorkerGauges } from '../worker/messages.ts';

/** A target as all workers together see it. */
export interface TargetView {
  readonly authority: string;
  /** Every worker's health check passes. */
  up: boolean;
  /** Workers whose circuit for it is open. */
  ejectedBy: number;
  connections: number;
  load: number;
  waiting: number;
}

/** The latest that each living worker told of what is open in it, and sums over them. */
export class WorkerBook {
  readonly #workers = new Map<number, WorkerGauges>();
  readonly #onWaits: (target: string, count: number) => void;

  /** `onWaits`: so many more requests had to wait for a connection to that target. */
  constructor(onWaits: (target: string, count: number) => void) {
    this.#onWaits = onWaits;
  }

  set(worker: number, now: WorkerGauges): void {
    const before = new Map(this.#workers.get(worker)?.targets.map((target) => [target.authority, target.waits]));
    for (const { authority, waits } of now.targets) {
      const known = before.get(authority) ?? 0;
      const more = waits >= known ? waits - known : waits;
      if (more > 0) this.#onWaits(authority, more);
    }
    this.#workers.set(worker, now);
  }

  forget(worker: number): void {
    this.#workers.delete(worker);
  }

  sum(of: (worker: WorkerGauges) => number): number {
    let sum = 0;
    for (const worker of this.#workers.values()) sum += of(worker);
    return sum;
  }

  /** null: nobody has told. */
  most(of: (worker: WorkerGauges) => number): number | null {
    return this.#workers.size === 0 ? null : Math.max(...[...this.#workers.values()].map(of));
  }

  targets(): TargetView[] {
    const views = new Map<string, TargetView>();
    for (const { targets } of this.#workers.values()) {
      for (const { authority, connections, load, healthy, available, waiting } of targets) {
        let view = views.get(authority);
        if (view === undefined) {
          view = { authority, up: true, ejectedBy: 0, connections: 0, load: 0, waiting: 0 };
          views.set(authority, view);
        }
        view.up &&= healthy;
        if (!available) view.ejectedBy++;
        view.connections += connections;
        view.load += load;
        view.waiting += waiting;
      }
    }
    return [...views.values()];
  }
}
