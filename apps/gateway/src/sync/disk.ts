import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readdirSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchFrame, FrameRevision, SnapshotFrame, Verifier } from '@fluxgate/protocol/sync';
import { decodeFrame, frameLengthAt } from '@fluxgate/protocol/sync';
import { readIfThere, replaceFile, syncDirectory } from './files.ts';
import { continuation, type Position, partProblem, type SignedFrame, snapshotProblem } from './session.ts';

/**
 * The last good state on disk, in the very frames that came from the control plane: a generation is `snapshot-<n>.fgs` (absent for one
 * that began with nothing) and `wal-<n>.fgl`, the batches after it. The newest generation that verifies is used; two are kept.
 */

/** What a generation holds, verified, ready to be applied in this order. */
export interface Recovered {
  readonly snapshot: readonly SnapshotFrame[];
  readonly batches: readonly (readonly FrameRevision[])[];
  readonly position: Position;
  readonly notes: readonly string[];
}

const NAME = /^(snapshot|wal)-([0-9]{1,16})\.(fgs|fgl)$/;
/** Larger than this and twice the snapshot: time for a new one. */
const COMPACT_BYTES_MIN = 8 * 1024 * 1024;
/** What a disk that refuses may make this thread remember. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;

/** Frames from the start of a file up to the first that is torn or does not verify. */
function* framesOf(bytes: Buffer, verifier: Verifier) {
  for (let at = 0; at < bytes.length; ) {
    const length = frameLengthAt(bytes, at);
    const result = length === null ? null : decodeFrame(bytes.subarray(at, at + length), verifier);
    yield { at, end: at + (length ?? 0), result };
    if (result === null || !result.ok) return;
    at += length ?? 0;
  }
}

function readSnapshot(bytes: Buffer, verifier: Verifier): SnapshotFrame[] | string {
  const parts: SnapshotFrame[] = [];
  for (const { result } of framesOf(bytes, verifier)) {
    if (result === null) return 'torn';
    if (!result.ok) return result.why;
    if (result.frame.type !== 'snapshot') return 'not a snapshot';
    const problem = partProblem(parts, result.frame);
    if (problem !== null) return problem;
    parts.push(result.frame);
  }
  return snapshotProblem(parts) ?? parts;
}

interface ReadLog {
  readonly batches: (readonly FrameRevision[])[];
  readonly position: Position | null;
  /** Bytes that are good; what follows is cut off. */
  readonly bytes: number;
  readonly note: string | null;
}

function readLog(bytes: Buffer, start: Position | null, verifier: Verifier): ReadLog {
  const batches: (readonly FrameRevision[])[] = [];
  let position = start;
  let good = 0;
  for (const { at, end, result } of framesOf(bytes, verifier)) {
    const stop = (why: string): ReadLog => ({ batches, position, bytes: good, note: `the log ends at byte ${at}: ${why}` });
    if (result === null) return stop('a torn frame');
    if (!result.ok) return stop(result.why);
    if (result.frame.type !== 'batch') return stop('not a batch');
    const next = continuation(position, result.frame);
    if (next.t === 'gap' || next.t === 'diverged') return stop('it does not continue the chain');
    if (next.t === 'new') {
      batches.push(next.revisions);
      position = next.position;
    }
    good = end;
  }
  return { batches, position, bytes: good, note: null };
}

export interface DiskEvents {
  /** Everything up to here survives a restart. */
  onDurable(position: Position): void;
  onTrouble(why: string): void;
}

/** The data directory's state files. Calls that write block this thread: it has nothing more urgent to do, workers are elsewhere. */
export class StateDisk {
  readonly #dir: string;
  readonly #events: DiskEvents;
  #log: number | null = null;
  #logBytes = 0;
  #snapshotBytes = 0;
  /** Written, not yet fsynced; and not even written because the disk refused. */
  #unsynced: Position | null = null;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #pendingPosition: Position | null = null;
  /** A snapshot that the disk refused: nothing after it can be kept before it is. */
  #owed: { readonly parts: readonly Uint8Array[]; readonly position: Position } | null = null;
  /** Too much was refused to remember it. */
  #overrun = false;
  #failed = false;

  constructor(dir: string, events: DiskEvents) {
    this.#dir = dir;
    this.#events = events;
  }

  /** The newest state that verifies, or null. Opens its log for what follows. */
  recover(verifier: Verifier): Recovered | null {
    const notes: string[] = [];
    for (const generation of this.#generations()) {
      const snapshotBytes = readIfThere(this.#path('snapshot', generation));
      const logBytes = readIfThere(this.#path('wal', generation)) ?? Buffer.alloc(0);
      const snapshot = snapshotBytes === null ? [] : readSnapshot(snapshotBytes, verifier);
      if (typeof snapshot === 'string') {
        notes.push(`snapshot-${generation}.fgs is not used: ${snapshot}`);
        continue;
      }
      const first = snapshot[0];
      const start =
        first === undefined ? null : { epoch: first.epoch, revision: first.revision, chain: Uint8Array.from(first.chain) };
      const log = readLog(logBytes, start, verifier);
      if (log.note !== null) notes.push(`wal-${generation}.fgl: ${log.note}`);
      if (log.position === null) continue;
      this.#openLog(generation, log.bytes);
      this.#snapshotBytes = snapshotBytes?.length ?? 0;
      return { snapshot, batches: log.batches, position: log.position, notes };
    }
    for (const note of notes) this.#events.onTrouble(note);
    return null;
  }

  /** Replaces what is kept by a snapshot: durable when this returns, unless the disk refused. */
  writeSnapshot(parts: readonly SignedFrame<SnapshotFrame>[], position: Position): void {
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#pendingPosition = null;
    this.#unsynced = null;
    this.#overrun = false;
    this.#owed = { parts: parts.map((part) => part.bytes), position };
    this.#flush();
  }

  /** Appends a batch. Urgent ones are durable when this returns; others after `sync`. */
  append(signed: SignedFrame<BatchFrame>, position: Position): void {
    if (this.#overrun) return;
    this.#pending.push(signed.bytes);
    this.#pendingBytes += signed.bytes.byteLength;
    this.#pendingPosition = position;
    this.#flush();
    if (this.#pendingBytes > PENDING_BYTES_MAX) {
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#pendingPosition = null;
      this.#overrun = true;
    }
    if (signed.frame.urgent) this.sync();
  }

  /** Call about once a second, and before the end. */
  sync(): void {
    this.#flush();
    const position = this.#unsynced;
    if (position === null || this.#log === null) return;
    const log = this.#log;
    this.#attempt(() => {
      fdatasyncSync(log);
      this.#unsynced = null;
      this.#events.onDurable(position);
    });
  }

  /** The log has outgrown its snapshot, or has a hole: a new one is due. */
  get wantsSnapshot(): boolean {
    return this.#overrun || this.#logBytes > Math.max(COMPACT_BYTES_MIN, 2 * this.#snapshotBytes);
  }

  close(): void {
    this.sync();
    if (this.#log !== null) closeSync(this.#log);
    this.#log = null;
  }

  #flush(): void {
    if (this.#owed !== null) this.#attempt(() => this.#payOwed());
    if (this.#owed !== null || this.#pendingPosition === null) return;
    this.#attempt(() => {
      if (this.#log === null) this.#openLog(this.#nextGeneration(0), 0);
      const log = this.#log ?? -1;
      const bytes = Buffer.concat(this.#pending);
      // A write that failed half-way is written over by the next attempt.
      for (let at = 0; at < bytes.length; ) at += writeSync(log, bytes, at, bytes.length - at, this.#logBytes + at);
      this.#logBytes += bytes.length;
      this.#unsynced = this.#pendingPosition;
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#pendingPosition = null;
    });
  }

  #payOwed(): void {
    if (this.#owed === null) return;
    const { parts, position } = this.#owed;
    const generation = this.#nextGeneration(position.revision);
    replaceFile(this.#path('snapshot', generation), parts);
    this.#openLog(generation, 0);
    this.#snapshotBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    this.#owed = null;
    this.#events.onDurable(position);
    this.#prune(generation);
  }

  /** Named by the revision, but always later than what is there: a new epoch may begin at a lower revision. */
  #nextGeneration(revision: number): number {
    const [newest] = this.#generations();
    return newest === undefined ? revision : Math.max(revision, newest + 1);
  }

  /** The state in memory is served whatever the disk says; `durable` then stands still, and everything is tried again. */
  #attempt(work: () => void): void {
    try {
      work();
      this.#failed = false;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      if (!this.#failed) this.#events.onTrouble(`the state cannot be written to disk (${code}); it is served from memory`);
      this.#failed = true;
    }
  }

  #openLog(generation: number, goodBytes: number): void {
    if (this.#log !== null) closeSync(this.#log);
    this.#log = null;
    const path = this.#path('wal', generation);
    const fd = openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600);
    ftruncateSync(fd, goodBytes);
    fdatasyncSync(fd);
    syncDirectory(this.#dir);
    this.#log = fd;
    this.#logBytes = goodBytes;
  }

  #path(kind: 'snapshot' | 'wal', generation: number): string {
    return join(this.#dir, `${kind}-${generation}.${kind === 'snapshot' ? 'fgs' : 'fgl'}`);
  }

  /** Newest first. */
  #generations(): number[] {
    const found = new Set<number>();
    for (const name of readdirSync(this.#dir)) {
      const match = NAME.exec(name);
      if (match !== null) found.add(Number(match[2]));
    }
    return [...found].sort((a, b) => b - a);
  }

  /** Keeps this generation and the one before. */
  #prune(newest: number): void {
    for (const generation of this.#generations()
      .filter((n) => n !== newest)
      .slice(1)) {
      for (const kind of ['snapshot', 'wal'] as const) {
        try {
          unlinkSync(this.#path(kind, generation));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        }
      }
    }
  }
}
