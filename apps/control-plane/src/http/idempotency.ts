import { createHash } from 'node:crypto';
import type { Tx } from '@fluxgate/stores/postgres';
import { type Problem, problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Idempotency } from '../write.ts';

/** How long an answer can be asked for again; the tidy job removes older ones. */
export const REPLY_KEPT_MS = 24 * 3_600_000;

/** Somebody else used the key between our look and our transaction; the caller looks again. */
export class KeyTaken extends Error {}

export interface Ticket {
  readonly realm: string;
  readonly tokenKid: string;
  readonly key: string;
  readonly requestHash: Buffer;
}

/** `parts`: what makes two requests the same one. Waiting longer is not another request, so it is not among them. */
export function ticketFor(realm: string, tokenKid: string, key: string, parts: readonly unknown[]): Ticket {
  return { realm, tokenKid, key, requestHash: createHash('sha256').update(JSON.stringify(parts)).digest() };
}

export function keyProblem(key: string): Problem | null {
  return /^[\x21-\x7e]{1,200}$/.test(key)
    ? null
    : problem(
        'invalid_request',
        'Idempotency-Key is not 1 to 200 visible ASCII characters',
        'use a UUID, or the id of the CI job',
      );
}

/** The first answer with its secret taken out: what is stored, and what a replay gets. */
export function withoutSecrets(value: object): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...value };
  for (const name of ['secret', 'token']) if (name in kept) kept[name] = null;
  if ('replayed' in kept) kept['replayed'] = true;
  return kept;
}

/** The answer given before to this ticket; a problem when the key went with another request; null when it is new. */
export async function findReply(
  { db }: Pick<Services, 'db'>,
  ticket: Ticket,
): Promise<Problem | { readonly body: Record<string, unknown> } | null> {
  const { realm, tokenKid, key } = ticket;
  const row = await db.prisma.idempotentReply.findUnique({ where: { realm_tokenKid_key: { realm, tokenKid, key } } });
  if (row === null) return null;
  if (!ticket.requestHash.equals(Buffer.from(row.requestHash))) {
    return problem(
      'idempotency_key_reused',
      'this Idempotency-Key was used for a request with other content',
      'take a new key for a new request',
    );
  }
  return { body: row.body as Record<string, unknown> };
}

/**
 * The key is taken by an insert in the same transaction as the write. A second request with the key waits in that
 * insert until the first one has committed (then it gets the first answer) or rolled back (then it goes on): whatever
 * crashes when, the write happens at most once.
 */
export function idempotencyOf(ticket: Ticket, status: number, nowMs: number): Idempotency {
  const { realm, tokenKid, key, requestHash } = ticket;
  return {
    async reserve(tx: Tx) {
      const taken = await tx.$executeRaw`
        INSERT INTO idempotent_reply (realm, token_kid, key, request_hash, status, body, created_at)
        VALUES (${realm}, ${tokenKid}, ${key}, ${requestHash}, ${status}, '{}'::jsonb, ${new Date(nowMs)})
        ON CONFLICT DO NOTHING`;
      if (taken === 0) throw new KeyTaken('the idempotency key is taken');
    },
    async keep(tx: Tx, value: object) {
      const body = JSON.parse(JSON.stringify(withoutSecrets(value)));
      await tx.idempotentReply.update({ where: { realm_tokenKid_key: { realm, tokenKid, key } }, data: { body } });
    },
  };
}

/** After the commit: the revision was not known inside. A crash before this only costs the replay its number. */
export async function keepRevision({ db }: Pick<Services, 'db'>, ticket: Ticket, body: Record<string, unknown>): Promise<void> {
  const { realm, tokenKid, key } = ticket;
  await db.prisma.idempotentReply.updateMany({
    where: { realm, tokenKid, key },
    data: { body: JSON.parse(JSON.stringify(withoutSecrets(body))) },
  });
}

/** The write was undone after its commit (a delivery failed): the key is free again. */
export async function dropReply({ db }: Pick<Services, 'db'>, { realm, tokenKid, key }: Ticket): Promise<void> {
  await db.prisma.idempotentReply.deleteMany({ where: { realm, tokenKid, key } });
}
