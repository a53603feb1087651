import { ByteReader, ByteWriter, Malformed } from './bytes.ts';
import { chainOf } from './digest.ts';
import { PROTOCOL_VERSION } from './messages.ts';
import { encodeRecords, REVISION_BYTES_MAX, readRecords, type StateRecord } from './records.ts';
import { SIGNATURE_BYTES, type Signer, type Verifier } from './signing.ts';

/**
 * State travels in signed binary frames, the same bytes on the wire and on disk:
 *
 *     "FGSY" | version u8 | type u8 | 0 u16 | keyId u32 | length u32 (whole frame) | epochLength u8 | epoch
 *     body by type
 *     Ed25519 signature (64 bytes) over everything before it
 *
 * A frame says its own length, so a file of frames needs no other framing.
 */

export const FRAME_BYTES_MAX = 8 * 1024 * 1024;
export const EPOCH_BYTES_MAX = 64;
/** A snapshot is cut into parts of about this size. */
export const SNAPSHOT_PART_BYTES = 2 * 1024 * 1024;
export const SNAPSHOT_PARTS_MAX = 65_536;
export const BATCH_REVISIONS_MAX = 10_000;

const MAGIC = 0x59534746; // "FGSY", little-endian
const LENGTH_AT = 12;
const HEADER_FIXED_BYTES = 17;
const FRAME_BYTES_MIN = HEADER_FIXED_BYTES + 1 + SIGNATURE_BYTES;
const BATCH = 1;
const SNAPSHOT = 2;
const HEARTBEAT = 3;

/** Revisions from+1 … to, in order. */
export interface BatchFrame {
  readonly type: 'batch';
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
  readonly chainFrom: Uint8Array;
  readonly chainTo: Uint8Array;
  /** Revokes, suspends or narrows: flush and fsync at once. */
  readonly urgent: boolean;
  readonly revisions: readonly FrameRevision[];
}

export interface FrameRevision {
  readonly revision: number;
  readonly chain: Uint8Array;
  readonly records: readonly StateRecord[];
}

/** One part of the state at `revision`; parts of one snapshot have the same `id`. Every record is a put. */
export interface SnapshotFrame {
  readonly type: 'snapshot';
  readonly epoch: string;
  readonly id: Uint8Array;
  readonly revision: number;
  readonly chain: Uint8Array;
  readonly digest: Uint8Array;
  readonly part: number;
  readonly parts: number;
  /** Entities in the whole snapshot. */
  readonly entities: number;
  readonly records: readonly StateRecord[];
}

/** Where the head is, and the control plane's clock. */
export interface HeartbeatFrame {
  readonly type: 'heartbeat';
  readonly epoch: string;
  readonly revision: number;
  readonly chain: Uint8Array;
  readonly timeMs: number;
}

export type Frame = BatchFrame | SnapshotFrame | HeartbeatFrame;

/** shape: not a frame or a damaged one; version: of another protocol; key: signed by a key that is not pinned; signature; chain. */
export type FrameFault = 'shape' | 'version' | 'key' | 'signature' | 'chain';
export type FrameResult =
  | { readonly ok: true; readonly frame: Frame }
  | { readonly ok: false; readonly fault: FrameFault; readonly why: string };

function begin(type: number, signer: Signer, epoch: string, capacity: number): ByteWriter {
  const epochBytes = Buffer.from(epoch, 'utf8');
  if (epochBytes.length === 0 || epochBytes.length > EPOCH_BYTES_MAX) throw new RangeError('an epoch has 1 to 64 bytes');
  return new ByteWriter(capacity + 256)
    .u32(MAGIC)
    .u8(PROTOCOL_VERSION)
    .u8(type)
    .u16(0)
    .u32(signer.id)
    .u32(0)
    .u8(epochBytes.length)
    .bytes(epochBytes);
}

function seal(out: ByteWriter, signer: Signer): Buffer {
  const length = out.length + SIGNATURE_BYTES;
  if (length > FRAME_BYTES_MAX) throw new RangeError(`a frame of ${length} bytes, at most ${FRAME_BYTES_MAX}`);
  out.patchU32(LENGTH_AT, length);
  return out.bytes(signer.sign(out.finish())).finish();
}

export interface BatchContent {
  readonly epoch: string;
  /** Revision before the first one carried. */
  readonly from: number;
  /** Chain at `from`. */
  readonly chainFrom: Uint8Array;
  readonly urgent: boolean;
  /** `encodeRecords` of revisions from+1, from+2, … */
  readonly revisions: readonly Uint8Array[];
}

/** Throws RangeError when it is empty or too large: cut it with `batchRuns`. */
export function encodeBatch(signer: Signer, content: BatchContent): Buffer {
  const { epoch, from, chainFrom, revisions } = content;
  if (revisions.length === 0 || revisions.length > BATCH_REVISIONS_MAX)
    throw new RangeError(`a batch of ${revisions.length} revisions`);
  let chain = Buffer.from(chainFrom);
  let size = 128;
  for (const [i, bytes] of revisions.entries()) {
    if (bytes.byteLength > REVISION_BYTES_MAX) throw new RangeError(`a revision of ${bytes.byteLength} bytes`);
    chain = chainOf(chain, from + 1 + i, bytes) as Buffer<ArrayBuffer>;
    size += bytes.byteLength + 4;
  }
  const out = begin(BATCH, signer, epoch, size)
    .u64(from)
    .u64(from + revisions.length)
    .fixed(chainFrom, 32)
    .fixed(chain, 32)
    .u8(content.urgent ? 1 : 0);
  for (const bytes of revisions) out.u32(bytes.byteLength).bytes(bytes);
  return seal(out, signer);
}

/** Cuts a run of revisions into runs that fit one batch each: `[start, end)` pairs. */
export function batchRuns(revisions: readonly Uint8Array[], bytesMax: number = REVISION_BYTES_MAX): [number, number][] {
  const runs: [number, number][] = [];
  let start = 0;
  let size = 0;
  for (const [i, bytes] of revisions.entries()) {
    if (i > start && (size + bytes.byteLength + 4 > bytesMax || i - start >= BATCH_REVISIONS_MAX)) {
      runs.push([start, i]);
      start = i;
      size = 0;
    }
    size += bytes.byteLength + 4;
  }
  if (revisions.length > start) runs.push([start, revisions.length]);
  return runs;
}

export interface SnapshotContent {
  readonly epoch: string;
  /** 16 fresh random bytes, so that parts of two snapshots can never be joined. */
  readonly id: Uint8Array;
  readonly revision: number;
  readonly chain: Uint8Array;
  readonly digest: Uint8Array;
  /** Puts only. */
  readonly records: readonly StateRecord[];
}

/** The parts, in order; at least one, even for an empty state. */
export function encodeSnapshot(signer: Signer, content: SnapshotContent, partBytes: number = SNAPSHOT_PART_BYTES): Buffer[] {
  const groups: StateRecord[][] = [[]];
  let size = 0;
  for (const record of content.records) {
    if (record.op !== 'put' || record.payload === null) throw new RangeError('a snapshot holds puts only');
    const bytes = 8 + record.id.length * 3 + record.payload.byteLength;
    if (size > 0 && size + bytes > partBytes) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)!.push(record);
    size += bytes;
  }
  if (groups.length > SNAPSHOT_PARTS_MAX) throw new RangeError(`a snapshot of ${groups.length} parts`);
  return groups.map((records, part) => {
    const bytes = encodeRecords(records);
    const out = begin(SNAPSHOT, signer, content.epoch, bytes.length + 128)
      .fixed(content.id, 16)
      .u64(content.revision)
      .fixed(content.chain, 32)
      .fixed(content.digest, 32)
      .u32(part)
      .u32(groups.length)
      .u32(content.records.length)
      .bytes(bytes);
    return seal(out, signer);
  });
}

export function encodeHeartbeat(signer: Signer, content: Omit<HeartbeatFrame, 'type'>): Buffer {
  const out = begin(HEARTBEAT, signer, content.epoch, 128).u64(content.revision).fixed(content.chain, 32).u64(content.timeMs);
  return seal(out, signer);
}

const refused = (fault: FrameFault, why: string): FrameResult => ({ ok: false, fault, why });

/**
 * One whole frame. The signature is checked before the body is read, and the chain of a batch is recomputed.
 * Never throws, whatever the bytes. Payloads are views into `bytes`.
 */
export function decodeFrame(bytes: Uint8Array, verifier: Verifier): FrameResult {
  if (bytes.byteLength < FRAME_BYTES_MIN || bytes.byteLength > FRAME_BYTES_MAX)
    return refused('shape', `a frame of ${bytes.byteLength} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return refused('shape', 'no frame starts here');
  if (view.getUint8(4) !== PROTOCOL_VERSION) return refused('version', `protocol version ${view.getUint8(4)}`);
  if (view.getUint32(LENGTH_AT, true) !== bytes.byteLength) return refused('shape', 'the length does not agree with the header');
  const keyId = view.getUint32(8, true);
  if (!verifier.has(keyId)) return refused('key', `signed by key ${keyId}, which is not pinned`);
  const signedLength = bytes.byteLength - SIGNATURE_BYTES;
  if (!verifier.verify(keyId, bytes.subarray(0, signedLength), bytes.subarray(signedLength)))
    return refused('signature', 'bad signature');
  try {
    const reader = new ByteReader(bytes.subarray(0, signedLength));
    reader.bytes(5);
    const type = reader.u8();
    if (reader.u16() !== 0) throw new Malformed('reserved bits are set');
    reader.bytes(8);
    const epochLength = reader.u8();
    if (epochLength === 0 || epochLength > EPOCH_BYTES_MAX) throw new Malformed(`epoch of ${epochLength} bytes`);
    const epoch = reader.text(epochLength);
    if (type === BATCH) return readBatch(reader, epoch);
    if (type === SNAPSHOT) return { ok: true, frame: readSnapshot(reader, epoch) };
    if (type === HEARTBEAT) {
      const frame: Frame = { type: 'heartbeat', epoch, revision: reader.u64(), chain: reader.bytes(32), timeMs: reader.u64() };
      reader.end();
      return { ok: true, frame };
    }
    return refused('shape', `unknown frame type ${type}`);
  } catch (error) {
    if (error instanceof Malformed) return refused('shape', error.message);
    throw error;
  }
}

function readBatch(reader: ByteReader, epoch: string): FrameResult {
  const from = reader.u64();
  const to = reader.u64();
  const chainFrom = reader.bytes(32);
  const chainTo = reader.bytes(32);
  const flags = reader.u8();
  if (flags > 1) throw new Malformed('unknown flags');
  if (to <= from || to - from > BATCH_REVISIONS_MAX) throw new Malformed(`revisions ${from} to ${to}`);
  const revisions: FrameRevision[] = [];
  let chain = chainFrom;
  for (let revision = from + 1; revision <= to; revision++) {
    const bytes = reader.bytes(reader.u32());
    chain = chainOf(chain, revision, bytes);
    revisions.push({ revision, chain, records: readRecords(bytes) });
  }
  reader.end();
  if (!sameBytes(chain, chainTo)) return refused('chain', 'the content does not lead to the chain it claims');
  return { ok: true, frame: { type: 'batch', epoch, from, to, chainFrom, chainTo, urgent: flags === 1, revisions } };
}

function readSnapshot(reader: ByteReader, epoch: string): SnapshotFrame {
  const id = reader.bytes(16);
  const revision = reader.u64();
  const chain = reader.bytes(32);
  const digest = reader.bytes(32);
  const part = reader.u32();
  const parts = reader.u32();
  const entities = reader.u32();
  if (parts === 0 || parts > SNAPSHOT_PARTS_MAX || part >= parts) throw new Malformed(`part ${part} of ${parts}`);
  const records = readRecords(reader.bytes(reader.left));
  if (records.length > entities) throw new Malformed('more entities than announced');
  if (records.some((record) => record.op !== 'put')) throw new Malformed('a snapshot holds puts only');
  return { type: 'snapshot', epoch, id, revision, chain, digest, part, parts, entities, records };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/**
 * Length of the frame that starts at `offset`, from its header alone; null if no whole frame is there.
 * For cutting a file into frames; `decodeFrame` still judges each.
 */
export function frameLengthAt(bytes: Uint8Array, offset: number): number | null {
  if (offset < 0 || bytes.byteLength - offset < FRAME_BYTES_MIN) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, bytes.byteLength - offset);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const length = view.getUint32(LENGTH_AT, true);
  return length < FRAME_BYTES_MIN || length > FRAME_BYTES_MAX || length > bytes.byteLength - offset ? null : length;
}
