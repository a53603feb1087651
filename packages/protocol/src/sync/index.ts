export { type StateCodec, stateCodec } from './codec.ts';
export { addDigest, addInto, chainOf, entityHash, subDigest, subFrom, ZERO_HASH } from './digest.ts';
export { decodeConfigEntity, decodeGrant } from './entities.ts';
export {
  BATCH_REVISIONS_MAX,
  type BatchContent,
  type BatchFrame,
  batchRuns,
  decodeFrame,
  EPOCH_BYTES_MAX,
  encodeBatch,
  encodeHeartbeat,
  encodeSnapshot,
  FRAME_BYTES_MAX,
  type Frame,
  type FrameFault,
  type FrameResult,
  type FrameRevision,
  frameLengthAt,
  type HeartbeatFrame,
  SNAPSHOT_PART_BYTES,
  type SnapshotContent,
  type SnapshotFrame,
  sameBytes,
} from './frames.ts';
export {
  decodeKeyPayload,
  encodeKeyPayload,
  KEY_NAME_BYTES_MAX,
  KEY_PAYLOAD_FIXED_BYTES,
  KEY_STATES,
  keyDigest,
  signingSecret,
} from './key-payload.ts';
export {
  Ack,
  Command,
  CommandResult,
  FromNode,
  Goodbye,
  Hello,
  LeaseGrant,
  LeaseRequest,
  LeaseReturn,
  LeaseSubject,
  PROTOCOL_VERSION,
  Secrets,
  SecretsAck,
  SecretsContent,
  ToNode,
  Usage,
  UsageAck,
  Welcome,
} from './messages.ts';
export { formatNodeToken, type NodeToken, parseNodeToken } from './node-token.ts';
export {
  type Decoded,
  decodeRecords,
  deleteRecord,
  ENTITY,
  ENTITY_ID_BYTES_MAX,
  ENTITY_PAYLOAD_BYTES_MAX,
  type EntityKind,
  type EntityName,
  encodeRecords,
  entityName,
  jsonPayload,
  putRecord,
  REVISION_BYTES_MAX,
  type StateRecord,
} from './records.ts';
export { generateSealingKey, openSealed, type SealingKeyPair, sealingPublicKey, sealTo } from './seal.ts';
export {
  createSigner,
  createVerifier,
  generateSigningKey,
  type PublicSigningKey,
  publicKeyFingerprint,
  SIGNATURE_BYTES,
  type Signer,
  type SigningKeyPair,
  type Verifier,
} from './signing.ts';
export {
  type Applied,
  type BuiltState,
  buildState,
  type Held,
  judgeRecord,
  type KeyShelf,
  MapShelf,
  RealmState,
} from './state.ts';
export { parseFromNode, parseToNode, TEXT_CHARS_MAX } from './text.ts';
