import { z } from 'zod';

/**
 * The JSON messages of `fluxgate.sync.v1` (text frames). State travels in signed binary frames (`frames.ts`);
 * everything here relies on the socket's own protection (TLS, or loopback).
 */

export const PROTOCOL_VERSION = 1;

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What is counted exactly over all nodes: a credential's quota in one window, or one version's request budget. */
export const LeaseSubject = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('quota'), credential: count, window: z.string().max(32) }).strict(),
  z.object({ kind: z.literal('budget'), kid: z.string().length(12) }).strict(),
]);
export type LeaseSubject = z.infer<typeof LeaseSubject>;

/** node → control plane, first message. `epoch` null and `revision` 0 when the node has no state. */
export const Hello = z
  .object({
    t: z.literal('hello'),
    protocol: z.number().int(),
    node: z.string().min(1).max(200),
    bootId: z.string().min(8).max(64),
    version: z.string().max(64),
    workers: count,
    publicKey: base64,
    epoch: z.string().nullable(),
    revision: count,
    chain: hex(32).nullable(),
    digest: hex(32).nullable(),
    secretsGeneration: z.string().nullable(),
  })
  .strict();
export type Hello = z.infer<typeof Hello>;

/** control plane → node, answer to hello. `signingKeys`: raw Ed25519 public keys, the fingerprint in the node token is sha256 of one of them. */
export const Welcome = z
  .object({
    t: z.literal('welcome'),
    protocol: z.number().int(),
    realm: z.string(),
    epoch: z.string(),
    revision: count,
    signingKeys: z.array(z.object({ id: z.number().int(), publicKey: base64 }).strict()).min(1),
    /** none: the node is current; delta: batches follow; snapshot: a snapshot frame follows. */
    intent: z.enum(['none', 'delta', 'snapshot']),
    timeMs: count,
  })
  .strict();
export type Welcome = z.infer<typeof Welcome>;

/** control plane → node: the secrets lane, sealed to the node's X25519 key (`seal.ts`). */
export const Secrets = z.object({ t: z.literal('secrets'), generation: z.string(), sealed: base64 }).strict();
export type Secrets = z.infer<typeof Secrets>;

/** node → control plane: every worker of the node verifies with the secrets of this generation. */
export const SecretsAck = z.object({ t: z.literal('secrets_ack'), generation: z.string().max(64) }).strict();
export type SecretsAck = z.infer<typeof SecretsAck>;

/** What the sealed lane holds once opened. Peppers: version → 32 bytes. */
export const SecretsContent = z
  .object({
    generation: z.string(),
    peppers: z.record(z.string().regex(/^[0-9]+$/), base64),
    /** Key of the node's disk snapshot, 32 bytes. */
    diskKey: base64,
  })
  .strict();
export type SecretsContent = z.infer<typeof SecretsContent>;

/** node → control plane: everything up to `revision` decides requests (applied) and survives a restart (durable). */
export const Ack = z
  .object({
    t: z.literal('ack'),
    epoch: z.string(),
    applied: count,
    durable: count,
    digest: hex(32),
    applyUs: count,
    quarantined: z.array(z.object({ kind: z.string(), id: z.string(), why: z.string() }).strict()).max(100),
  })
  .strict();
export type Ack = z.infer<typeof Ack>;

export const LeaseRequest = z
  .object({
    t: z.literal('lease_request'),
    id: count,
    subject: LeaseSubject,
    /** Tokens the node could use; the control plane may grant fewer. */
    want: z.number().int().min(1).max(1_000_000),
  })
  .strict();
export type LeaseRequest = z.infer<typeof LeaseRequest>;

/** Never sent twice: a lost grant is lost. `granted` 0 with `exhausted` says the limit is reached for this window. */
export const LeaseGrant = z
  .object({
    t: z.literal('lease_grant'),
    id: count,
    leaseId: z.string(),
    granted: count,
    exhausted: z.boolean(),
    limit: count,
    /** Not yet handed out to any node after this grant. */
    left: count,
    /** Time until the window ends, by the control plane's clock; null for a budget. */
    remainingMs: count.nullable(),
    /** The node gives back what is unspent after this time without use. */
    idleReturnMs: count,
  })
  .strict();
export type LeaseGrant = z.infer<typeof LeaseGrant>;

/** node → control plane: tokens that can no longer be spent there. Sent at most once per lease. */
export const LeaseReturn = z
  .object({ t: z.literal('lease_return'), leaseId: z.string(), subject: LeaseSubject, amount: z.number().int().min(1) })
  .strict();
export type LeaseReturn = z.infer<typeof LeaseReturn>;

/** node → control plane: what happened since the last report; (bootId, seq) is applied once. */
export const Usage = z
  .object({
    t: z.literal('usage'),
    bootId: z.string(),
    seq: count,
    entries: z
      .array(
        z
          .object({
            kid: z.string().length(12),
            day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
            allowed: count,
            /** Refused after possession was proven. */
            refused: count,
            lastUsedS: count,
            lastAddress: z.string().max(64).nullable(),
            lastUserAgent: z.string().max(200).nullable(),
          })
          .strict(),
      )
      .max(5000),
  })
  .strict();
export type Usage = z.infer<typeof Usage>;
export const UsageAck = z.object({ t: z.literal('usage_ack'), seq: count }).strict();
export type UsageAck = z.infer<typeof UsageAck>;

/** control plane → node: something that is no state, e.g. `jwks.status`. Answered by a command_result of the same id; a node that does not know the name says so. */
export const Command = z
  .object({
    t: z.literal('command'),
    id: z.string().min(1).max(64),
    name: z
      .string()
      .regex(/^[a-z_]+(\.[a-z_]+)*$/)
      .max(64),
    args: z.record(z.string().max(64), z.json()),
  })
  .strict();
export type Command = z.infer<typeof Command>;

/** node → control plane. */
export const CommandResult = z
  .object({ t: z.literal('command_result'), id: z.string().min(1).max(64), ok: z.boolean(), body: z.json() })
  .strict();
export type CommandResult = z.infer<typeof CommandResult>;

/** control plane → node before it closes. */
export const Goodbye = z.object({ t: z.literal('goodbye'), reason: z.string(), retryAfterMs: count }).strict();
export type Goodbye = z.infer<typeof Goodbye>;

export const FromNode = z.discriminatedUnion('t', [Hello, Ack, SecretsAck, LeaseRequest, LeaseReturn, Usage, CommandResult]);
export type FromNode = z.infer<typeof FromNode>;
export const ToNode = z.discriminatedUnion('t', [Welcome, Secrets, LeaseGrant, UsageAck, Command, Goodbye]);
export type ToNode = z.infer<typeof ToNode>;
