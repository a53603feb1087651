import { createSigner, decodeRecords, ENTITY, type Hello, PROTOCOL_VERSION } from '@fluxgate/protocol/sync';
import { DatabaseUnavailable, type LoggedRevision } from '@fluxgate/stores';
import { newEpoch, readRealm } from '@fluxgate/stores/postgres';
import { Feed } from './feed.ts';
import { SecretsLane } from './lane.ts';
import type { HubOptions } from './options.ts';
import type { Session } from './session.ts';

/** A realm begins a new epoch at most this often because of what nodes claim. */
const EPOCH_PAUSE_MS = 60_000;
/** Nodes come back spread over this time when all are sent away at once. */
const RETURN_SPREAD_MS = 1_000;

/** State waits this long for the secrets that should go first: a slow vault must not hold back a revocation. */
const SECRETS_WAIT_MS = 1_000;

const HUB = { name: 'sync-hub', role: 'system', address: null, requestId: 'sync' };

/** One realm's nodes at this control plane: its feed, its secrets lane, and who listens. */
export class RealmHub {
  readonly realm: string;
  readonly feed: Feed;
  readonly sessions = new Set<Session>();
  /** Called after acks, joins and leaves. */
  readonly watchers = new Set<() => void>();
  readonly #lane: SecretsLane;
  readonly #options: HubOptions;
  #advancing: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #epochAtMs = Number.NEGATIVE_INFINITY;
  #corrupt = false;
  #ringUnreadable = false;

  private constructor(feed: Feed, lane: SecretsLane, options: HubOptions) {
    this.realm = feed.realm;
    this.feed = feed;
    this.#lane = lane;
    this.#options = options;
  }

  static async open(realm: string, options: HubOptions): Promise<RealmHub> {
    const { db, kek, secretsOf, random } = options;
    const identity = await readRealm(db.prisma, realm, kek);
    const feed = await Feed.open(realm, createSigner(identity.signingKeyId, identity.seed), db, random);
    const lane = new SecretsLane({ realm, db, kek, store: secretsOf(realm), random });
    return new RealmHub(feed, lane, options);
  }

  changed(): void {
    for (const watcher of this.watchers) watcher();
  }

  /** Brings the feed to the head and lets every node catch up. What was committed before the call is seen when it resolves. */
  advance(): Promise<void> {
    if (this.#next !== null) return this.#next;
    if (this.#advancing === null) return this.#run();
    // The running one may have read the head before the caller's commit.
    this.#next = this.#advancing.then(() => {
      this.#next = null;
      return this.#run();
    });
    return this.#next;
  }

  #run(): Promise<void> {
    this.#advancing = this.#advanceOnce().finally(() => {
      this.#advancing = null;
    });
    return this.#advancing;
  }

  async #advanceOnce(): Promise<void> {
    const { log } = this.#options;
    try {
      const result = await this.feed.advance();
      if (result.kind === 'broken_off') {
        if (
          result.regressed &&
          (await this.#beginEpoch('the log of the database went back (a backup was restored)')) === 'begun'
        ) {
          await this.feed.advance();
        }
        this.sendAway('new_epoch');
      } else if (result.kind === 'forward') {
        await this.#secretsFor(result.revisions);
        for (const session of this.sessions) if (session.live) void this.#catchUp(session);
        this.changed();
      }
      this.#corrupt = false;
    } catch (error) {
      if (error instanceof DatabaseUnavailable) {
        log.debug({ err: error, realm: this.realm }, 'sync: the log cannot be read now');
        return;
      }
      // Said once; nodes keep what they have, heartbeats show them that the head stands still.
      if (!this.#corrupt) log.error({ err: error, realm: this.realm }, 'sync: the revision log cannot be followed');
      this.#corrupt = true;
    }
  }

  /** A key may name a pepper that nodes do not have yet, and settings may name another ring: the secrets go first. */
  async #secretsFor(revisions: readonly LoggedRevision[]): Promise<void> {
    const needed = revisions.some(({ records }) => {
      const decoded = decodeRecords(records);
      return (
        decoded.ok &&
        decoded.value.some(
          ({ kind, payload }) =>
            kind === ENTITY.settings || (kind === ENTITY.key && payload !== null && !this.#lane.knows(payload[16] ?? 0)),
        )
      );
    });
    if (needed) await this.#secretsSoon();
  }

  /** Reads the pepper ring again and hands it to the nodes that do not have it. */
  async refreshSecrets(): Promise<void> {
    try {
      await this.#lane.refresh();
      this.#ringUnreadable = false;
    } catch (error) {
      // Said once, tried again at each sweep.
      if (!this.#ringUnreadable) {
        this.#options.log.error(
          { err: error, realm: this.realm },
          'sync: the pepper ring cannot be read; nodes keep the one they have',
        );
      }
      this.#ringUnreadable = true;
    }
    for (const session of this.sessions) if (session.live) this.#sendSecrets(session);
  }

  /** Asks for the ring, and goes on without it when it takes long: nodes get it when it comes. */
  async #secretsSoon(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, SECRETS_WAIT_MS);
    });
    await Promise.race([this.refreshSecrets(), enough]);
    clearTimeout(timer);
  }

  /** What nodes are to hold; null until the ring was read once. */
  get secretsGeneration(): string | null {
    return this.#lane.generation;
  }

  #sendSecrets(session: Session): void {
    if (this.#lane.generation === null || this.#lane.generation === session.secretsGeneration) return;
    const secrets = this.#lane.sealFor(session.name, session.publicKey);
    if (secrets !== null && session.say({ t: 'secrets', ...secrets })) session.secretsGeneration = secrets.generation;
  }

  /** Answers a hello: welcome, secrets, then state. */
  async welcome(session: Session, hello: Hello): Promise<void> {
    await this.advance();
    const plan = await this.#planFor(session, hello);
    if (plan === null || !session.isOpen) return;
    if (this.#lane.generation === null) await this.#secretsSoon();
    const { head, signer } = this.feed;
    session.say({
      t: 'welcome',
      protocol: PROTOCOL_VERSION,
      realm: this.realm,
      epoch: head.epoch,
      revision: head.revision,
      signingKeys: [{ id: signer.id, publicKey: signer.publicKey.toString('base64') }],
      intent: plan,
      timeMs: this.#options.clock(),
    });
    session.secretsGeneration = hello.secretsGeneration;
    session.secretsHeld = hello.secretsGeneration;
    session.live = true;
    this.#sendSecrets(session);
    if (plan === 'snapshot') {
      // Within an epoch a node never goes back: an older kept snapshot would be refused.
      session.cursor = hello.epoch === head.epoch ? hello.revision : 0;
      await this.#catchUp(session, true);
    } else {
      session.cursor = hello.revision;
      // Its chain was compared: it decides by this revision.
      Object.assign(session.progress, { epoch: head.epoch, applied: hello.revision, digest: hello.digest });
      await this.#catchUp(session);
    }
    session.sendUnlessBehind(this.feed.heartbeat(this.#options.clock()));
  }

  async #planFor(session: Session, hello: Hello): Promise<'none' | 'delta' | 'snapshot' | null> {
    const { head } = this.feed;
    if (hello.epoch !== head.epoch) return 'snapshot';
    const chain = hello.chain === null ? null : Buffer.from(hello.chain, 'hex');
    const plan = await this.feed.planFor(hello.revision, chain);
    if (plan === 'diverged') {
      this.#options.log.error(
        { ...session.about, claims: hello.revision, head: head.revision },
        'sync: a node has a history that the database does not know: was a backup restored?',
      );
      // In the same epoch a node never goes back, so it could not be led anywhere.
      const begun = await this.#beginEpoch(
        `node ${session.name} has revision ${hello.revision} of another history`,
        hello.revision > head.revision ? hello.revision : null,
      );
      await this.advance(); // a new epoch sends all nodes away
      if (begun === 'paused') session.close('lie', EPOCH_PAUSE_MS);
      else session.close(begun === 'begun' ? 'new_epoch' : 'unavailable', 100);
      return null;
    }
    if (plan === 'none' && hello.digest !== null && hello.digest !== Buffer.from(head.stateDigest).toString('hex')) {
      this.#options.log.warn(session.about, 'sync: a node at the head has another state: it gets a snapshot');
      return 'snapshot';
    }
    return plan;
  }

  /** `ahead`: only if the log ends before this revision, as the table itself says. `paused`: one began a moment ago. */
  async #beginEpoch(why: string, ahead: number | null = null): Promise<'begun' | 'not_needed' | 'paused'> {
    const { db, clock, log } = this.#options;
    const nowMs = clock();
    if (nowMs - this.#epochAtMs < EPOCH_PAUSE_MS) return 'paused';
    const before = this.feed.head.epoch;
    const after = newEpoch(nowMs);
    const { value } = await db.write(this.realm, HUB, async (tx) => {
      const stillSo = { name: this.realm, epoch: before, ...(ahead === null ? {} : { revision: { lt: ahead } }) };
      const { count } = await tx.realm.updateMany({ where: stillSo, data: { epoch: after } });
      const audit =
        count === 0 ? [] : [{ action: 'sync.new_epoch', target: `realm/${this.realm}`, before, after: { epoch: after, why } }];
      return { value: count === 1, records: [], summary: [], audit };
    });
    if (!value) return 'not_needed';
    this.#epochAtMs = nowMs;
    log.error({ realm: this.realm, before, after, why }, 'sync: a new epoch begins; all nodes take a snapshot');
    return 'begun';
  }

  async #catchUp(session: Session, fromSnapshot = false): Promise<void> {
    let snapshot = fromSnapshot;
    try {
      await session.pump(async () => {
        if (snapshot) {
          const frames = await this.feed.snapshotFrames(session.cursor);
          for (const part of frames.parts) if (!(await session.send(part))) return false;
          session.cursor = frames.revision;
          snapshot = false;
          return true;
        }
        const chunk = await this.feed.chunkAfter(session.cursor);
        if (chunk === null) return false;
        if (chunk === 'gone') {
          snapshot = true;
          return true;
        }
        session.cursor = chunk.to;
        return session.send(chunk.frame);
      });
    } catch (error) {
      // The node keeps what it has and asks again.
      this.#options.log.warn({ err: error, ...session.about }, 'sync: a node cannot be served now');
      session.close('unavailable', 1_000);
    }
  }

  /** All nodes come back on their own, spread a little. */
  sendAway(reason: 'new_epoch' | 'shutting_down'): void {
    let turn = 0;
    const step = RETURN_SPREAD_MS / Math.max(1, this.sessions.size);
    for (const session of this.sessions) session.close(reason, Math.round(100 + step * turn++));
  }

  heartbeat(): void {
    if (this.sessions.size === 0 || this.#corrupt) return;
    const frame = this.feed.heartbeat(this.#options.clock());
    for (const session of this.sessions) if (session.live) session.sendUnlessBehind(frame);
  }
}
