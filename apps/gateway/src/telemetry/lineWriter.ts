/** Writes bytes somewhere and says how many were taken, or why not. `fs.write` on a descriptor fits. */
export type WriteBytes = (bytes: Uint8Array, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void;

export interface LineWriterParts {
  readonly write: WriteBytes;
  readonly after: (ms: number, run: () => void) => { unref(): void };
  /** Texts of the access log that wait, in bytes; beyond that they are dropped. */
  readonly waitingMax: number;
}

const RETRY_MS = 20;
/** Our own log gets room even when the access log has used up its own, but not for ever. */
const OWN_FACTOR = 4;

/**
 * All lines of the process, one after the other, never blocking: Node's stdout blocks the thread while the other end of a pipe does not
 * read, and main has sockets and threads to look after.
 */
export class LineWriter {
  readonly #parts: LineWriterParts;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #rest: Uint8Array | null = null;
  #busy = false;
  #idle: (() => void)[] = [];
  #broken = false;

  constructor(parts: LineWriterParts) {
    this.#parts = parts;
  }

  /** Lines of the access log. False: dropped, because whoever reads is slower than the traffic. */
  offer(lines: Uint8Array): boolean {
    return this.#put(lines, this.#parts.waitingMax);
  }

  /** A line of our own log. */
  push(line: string): void {
    this.#put(Buffer.from(line, 'utf8'), this.#parts.waitingMax * OWN_FACTOR);
  }

  #put(bytes: Uint8Array, most: number): boolean {
    if (this.#broken || this.#bytes + bytes.length > most) return false;
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    if (!this.#busy) this.#next();
    return true;
  }

  #next(): void {
    if (this.#rest === null) {
      if (this.#waiting.length === 0) {
        this.#busy = false;
        for (const done of this.#idle.splice(0)) done();
        return;
      }
      this.#rest = this.#waiting.length === 1 ? (this.#waiting[0] as Uint8Array) : Buffer.concat(this.#waiting);
      this.#waiting = [];
      this.#bytes = 0;
    }
    this.#busy = true;
    const bytes = this.#rest;
    this.#parts.write(bytes, (error, written) => {
      if (error !== null && error.code !== 'EAGAIN') {
        // Nobody is there to read any more (EPIPE), or the disk is full: a gateway goes on without its log.
        this.#broken = error.code === 'EPIPE';
        this.#rest = null;
        if (this.#broken) this.#waiting = [];
        this.#parts.after(RETRY_MS, () => this.#next());
        return;
      }
      this.#rest = error !== null || written < bytes.length ? bytes.subarray(error === null ? written : 0) : null;
      if (error === null) this.#next();
      else this.#parts.after(RETRY_MS, () => this.#next());
    });
  }

  /** Resolves when everything is out, or after `withinMs`. */
  flush(withinMs: number): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#parts.after(withinMs, resolve).unref();
    });
  }
}
