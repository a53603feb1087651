import type { KeyIndexHandles } from '../memory/handles.ts';
import type { FromWorker, LinkMessage, PeppersMessage, PlanMessage, ToWorker } from './thread-messages.ts';

/** The end of a worker's channel that this thread holds. */
export interface WorkerPort {
  postMessage(message: ToWorker): void;
  on(event: 'message', listener: (message: FromWorker) => void): unknown;
  close(): void;
}

interface Member {
  readonly port: WorkerPort;
  /** Sequence of the last plan it confirmed. */
  confirmed: number;
  /** Generation of the pepper ring it confirmed. */
  peppers: string | null;
  fault: string | null;
}

/** A point of the history, and the plan that all workers must have for it to decide requests. */
export interface Milestone {
  readonly epoch: string;
  readonly revision: number;
  readonly chain: Uint8Array;
  readonly digest: Uint8Array;
  readonly sequence: number;
}

/**
 * The request workers as this thread sees them: gives each what exists when it joins, and knows up to which revision all of them decide.
 * Until the first has joined, nothing counts as applied: after a restart of this thread workers serve what the former one gave them.
 */
export class Workers {
  readonly #members = new Map<number, Member>();
  readonly #onMessage: (worker: number, message: Exclude<FromWorker, { t: 'plan-applied' | 'peppers-applied' }>) => void;
  readonly #onProgress: () => void;
  readonly #onFault: (why: string) => void;
  #index: KeyIndexHandles | null = null;
  #link: LinkMessage | null = null;
  #peppers: PeppersMessage | null = null;
  #plan: PlanMessage | null = null;
  #sequence = 0;
  #met = false;
  #milestones: Milestone[] = [];
  #applied: Milestone | null = null;

  constructor(
    onMessage: (worker: number, message: Exclude<FromWorker, { t: 'plan-applied' | 'peppers-applied' }>) => void,
    onProgress: () => void,
    onFault: (why: string) => void,
  ) {
    this.#onMessage = onMessage;
    this.#onProgress = onProgress;
    this.#onFault = onFault;
  }

  /** Everything up to here is in the index, and in the plan of every worker. */
  get applied(): Milestone | null {
    return this.#applied;
  }

  /** Generation of the pepper ring that every worker verifies with; null while they differ. */
  get peppersGeneration(): string | null {
    const held = new Set([...this.#members.values()].map(({ peppers }) => peppers));
    const [only] = held;
    return held.size === 1 && only !== undefined ? only : null;
  }

  /** Why workers could not compile the newest plan. */
  get faults(): string[] {
    return [...new Set([...this.#members.values()].map((member) => member.fault).filter((fault) => fault !== null))];
  }

  join(worker: number, port: WorkerPort): void {
    this.#members.get(worker)?.port.close();
    const member: Member = { port, confirmed: 0, peppers: null, fault: null };
    this.#members.set(worker, member);
    this.#met = true;
    port.on('message', (message) => {
      if (this.#members.get(worker) !== member) return; // a channel that was replaced
      if (message.t === 'peppers-applied') {
        member.peppers = message.generation;
        return this.#onProgress();
      }
      if (message.t !== 'plan-applied') return this.#onMessage(worker, message);
      member.confirmed = Math.max(member.confirmed, message.sequence);
      if (message.sequence === this.#sequence) {
        if (message.fault !== null && !this.faults.includes(message.fault)) this.#onFault(message.fault);
        member.fault = message.fault;
      }
      this.#settle();
    });
    if (this.#index !== null) port.postMessage({ t: 'index', handles: this.#index });
    for (const message of [this.#link, this.#peppers, this.#plan]) if (message !== null) port.postMessage(message);
  }

  leave(worker: number): void {
    this.#members.get(worker)?.port.close();
    this.#members.delete(worker);
    this.#settle();
  }

  send(worker: number, message: ToWorker): void {
    this.#members.get(worker)?.port.postMessage(message);
  }

  publishIndex(handles: KeyIndexHandles): void {
    this.#index = handles;
    this.#publish({ t: 'index', handles });
  }

  publishPeppers(message: PeppersMessage): void {
    this.#peppers = message;
    this.#publish(message);
  }

  publishLink(message: LinkMessage): void {
    this.#link = message;
    this.#publish(message);
  }

  /** Send the index before, if it was replaced: a worker that confirms this plan has it then. */
  publishPlan(epoch: string, revision: number, config: string): void {
    this.#sequence += 1;
    this.#plan = { t: 'plan', sequence: this.#sequence, epoch, revision, config };
    this.#publish(this.#plan);
  }

  /** The index holds this now; it is applied when the workers have confirmed the newest plan. */
  reach(milestone: Omit<Milestone, 'sequence'>): void {
    this.#milestones.push({ ...milestone, sequence: this.#sequence });
    this.#settle();
  }

  #publish(message: ToWorker): void {
    for (const { port } of this.#members.values()) port.postMessage(message);
  }

  #settle(): void {
    if (!this.#met) return;
    let confirmed = this.#sequence;
    for (const member of this.#members.values()) confirmed = Math.min(confirmed, member.confirmed);
    let reached = 0;
    while (reached < this.#milestones.length && (this.#milestones[reached]?.sequence ?? 0) <= confirmed) reached += 1;
    if (reached === 0) return;
    this.#applied = this.#milestones[reached - 1] ?? this.#applied;
    this.#milestones.splice(0, reached);
    this.#onProgress();
  }
}
