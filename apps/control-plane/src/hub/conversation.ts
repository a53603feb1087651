import type { FromNode } from '@fluxgate/protocol/sync';
import { DatabaseUnavailable } from '@fluxgate/stores';
import type { HubOptions } from './options.ts';
import type { RealmHub } from './realm-hub.ts';
import type { Session } from './session.ts';

/** The node returns what it did not spend for this long. */
const IDLE_RETURN_MS = 10_000;

type Message<T extends FromNode['t']> = Extract<FromNode, { t: T }>;

/** What a welcomed node says. A node that claims what cannot be is cut off: its state is not what we think it is. */
export async function converse(session: Session, hub: RealmHub, message: FromNode, options: HubOptions): Promise<void> {
  switch (message.t) {
    case 'hello':
      options.log.warn(session.about, 'sync: a second hello');
      session.close('unexpected_message', 5_000);
      return;
    case 'ack': {
      const claim = judgeAck(session, hub, message);
      if (claim !== null) lie(session, options, { applied: message.applied, durable: message.durable }, claim);
      return;
    }
    case 'secrets_ack':
      session.secretsHeld = message.generation;
      session.dirty = true;
      hub.changed();
      return;
    case 'lease_request':
      return answered(session, () => lease(session, hub, message, options));
    case 'lease_return':
      return answered(session, () => giveBack(session, message, options));
    case 'command_result':
      // Late, or never asked for: nobody waits for it.
      session.commands.get(message.id)?.({ ok: message.ok, body: message.body });
      return;
    case 'usage':
      return answered(session, () => usage(session, message, options));
  }
}

async function answered(session: Session, work: () => Promise<void>): Promise<void> {
  if (!session.admit()) return;
  try {
    await work();
  } finally {
    session.answered();
  }
}

function lie(session: Session, options: HubOptions, claim: object, why: string): void {
  options.log.error({ ...session.about, ...claim }, `sync: closed a node: ${why}`);
  session.close('lie', 5_000);
}

/** Takes the ack, or says why it cannot be true. */
function judgeAck(session: Session, hub: RealmHub, ack: Message<'ack'>): string | null {
  const { progress } = session;
  const { epoch, applied, durable, digest, quarantined } = ack;
  if (epoch !== hub.feed.head.epoch) return null; // about the epoch before: on its way when the new one began
  if (applied > session.cursor) return 'it acknowledges what it was not sent';
  if (durable > applied) return 'it keeps what it has not applied';
  if (progress.epoch === epoch && applied < progress.applied) return 'it went back';
  const expected = hub.feed.digestAt(applied);
  if (expected !== null && quarantined.length === 0 && digest !== Buffer.from(expected).toString('hex')) {
    return 'its state is not the state of that revision; it gets a snapshot when it comes back';
  }
  Object.assign(progress, { epoch, applied, durable, digest, quarantined });
  session.dirty = true;
  hub.changed();
  return null;
}

async function lease(session: Session, hub: RealmHub, request: Message<'lease_request'>, options: HubOptions): Promise<void> {
  const { db, log } = options;
  const activeNodes = [...hub.sessions].filter(({ live }) => live).length;
  const holder = session.source;
  const reply = { t: 'lease_grant', id: request.id, idleReturnMs: IDLE_RETURN_MS } as const;
  try {
    const grant = await db.leases.grant({
      realm: session.realm,
      holder,
      subject: request.subject,
      want: request.want,
      activeNodes,
    });
    const { leaseId, granted, exhausted, limit, left, remainingMs } = grant;
    const sent = session.say({ ...reply, leaseId, granted, exhausted, limit, left, remainingMs });
    // Never put on the wire, so nobody can spend it. Once it was, it is spent or lost: it is not sent again.
    if (!sent && granted > 0) await db.leases.giveBack(session.realm, holder, leaseId, granted);
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    log.warn({ err: error, ...session.about }, 'sync: no lease, the authority is away');
    session.say({ ...reply, leaseId: '', granted: 0, exhausted: false, limit: 0, left: 0, remainingMs: null });
  }
}

async function giveBack(session: Session, { leaseId, amount }: Message<'lease_return'>, { db, log }: HubOptions): Promise<void> {
  try {
    await db.leases.giveBack(session.realm, session.source, leaseId, amount);
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    log.debug({ err: error, ...session.about }, 'sync: returned tokens were lost');
  }
}

async function usage(session: Session, report: Message<'usage'>, options: HubOptions): Promise<void> {
  if (report.bootId !== session.hello?.bootId) {
    lie(session, options, {}, 'it reports for another boot');
    return;
  }
  try {
    await options.db.usage.report(session.realm, session.source, report.seq, report.entries);
    session.say({ t: 'usage_ack', seq: report.seq });
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    // Not acknowledged: the node sends it again, and it counts once.
    options.log.debug({ err: error, ...session.about }, 'sync: a usage report could not be kept');
  }
}
