import type { Facts } from './facts.ts';

/** An open stream behind a handshake that passed authentication. */
export interface UpgradedStream {
  readonly principal: string | null;
  readonly facts: Facts;
  /** Ends it: WebSocket close code and reason, at the next frame boundary, within a second in any case. */
  close(code: number, reason: string): void;
}

/** Every open upgraded stream of a worker, so that a revocation reaches what began before it. */
export class UpgradedStreams {
  readonly #open = new Set<UpgradedStream>();
  readonly #onUpgrade: (stream: UpgradedStream) => void;
  readonly #onClose: (stream: UpgradedStream) => void;

  constructor(onUpgrade: (stream: UpgradedStream) => void, onClose: (stream: UpgradedStream) => void) {
    this.#onUpgrade = onUpgrade;
    this.#onClose = onClose;
  }

  add(stream: UpgradedStream): void {
    this.#open.add(stream);
    this.#onUpgrade(stream);
  }

  remove(stream: UpgradedStream): void {
    if (this.#open.delete(stream)) this.#onClose(stream);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Closes the streams that `condemned` names; answers how many. */
  closeWhere(condemned: (stream: UpgradedStream) => boolean, code: number, reason: string): number {
    let count = 0;
    for (const stream of [...this.#open]) {
      if (!condemned(stream)) continue;
      count++;
      stream.close(code, reason);
    }
    return count;
  }
}
