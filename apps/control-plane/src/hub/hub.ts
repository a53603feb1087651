import { Buffer } from 'node:buffer';
import type { Server } from 'node:http';
import type { Convergence, Node } from '@fluxgate/protocol/admin';
import { NAME_PATTERN } from '@fluxgate/protocol/admin';
import { type Command, type FromNode, type Hello, PROTOCOL_VERSION, TEXT_CHARS_MAX } from '@fluxgate/protocol/sync';
import { type WebSocket, WebSocketServer } from 'ws';
import type { CommandAnswer } from '../services.ts';
import { awaitConvergence, type SecretsSpread, secretsSpread, viewNodes } from './convergence.ts';
import { converse } from './conversation.ts';
import { type HubOptions, PACE, type TokenHolder } from './options.ts';
import { RealmHub } from './realm-hub.ts';
import { Session } from './session.ts';
import { attachUpgrade, chooseProtocol } from './upgrade.ts';

const SOCKETS_MAX = 5_000;
/** Connected, but no hello yet. */
const STRANGERS_MAX = 500;
/** A node of another replica whose row is older than this counts as offline; rows are renewed every `REFRESH_MS`. */
const FRESH_MS = 6_000;
const REFRESH_MS = 2_000;

export interface Hub {
  /** Serves `/v1/sync` on this server; may be called for several. */
  attach(server: Server): void;
  /** A revision of the realm was committed: nodes get it now, not at the next poll. */
  wake(realm: string): void;
  /** Which live nodes decide by the revision, as soon as all do or the timeout has passed. */
  convergence(realm: string, revision: number, timeoutMs: number): Promise<Convergence>;
  /** Reads the pepper ring again and hands it to the nodes here that lack it; other replicas see it within a sweep. */
  pushSecrets(realm: string): Promise<void>;
  /** Which live nodes, at any replica, verify with the secrets of this generation. */
  secretsSpread(realm: string, generation: string): Promise<SecretsSpread>;
  /** All nodes that ever joined, by name. */
  list(realm: string): Promise<Node[]>;
  /** Asks live nodes of this replica something that is no state; by name, what each answered. `nodes`: only these. */
  command(
    realm: string,
    name: string,
    args: Command['args'],
    timeoutMs: number,
    nodes?: readonly string[],
  ): Promise<Map<string, CommandAnswer>>;
  /** Cuts off the nodes that came with this token. */
  disconnect(tokenKid: string): void;
  /** Live nodes at this control plane. */
  readonly connected: number;
  /** Sends the nodes away with a friendly word and stops all work. */
  close(): Promise<void>;
}

export function createHub(options: HubOptions): Hub {
  const { db, clock, log, random } = options;
  const pace = { ...PACE, ...options.pace };
  const hubId = Buffer.from(random(9)).toString('base64url');
  const realms = new Map<string, Promise<RealmHub>>();
  const opened = new Map<string, RealmHub>();
  const sessions = new Set<Session>();
  /** Left since the last flush. */
  const departed = new Map<string, Session>();
  let closing = false;

  // Usage reports are the largest honest message; the protocol bounds them.
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: TEXT_CHARS_MAX,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: chooseProtocol,
  });

  function realmHub(realm: string): Promise<RealmHub> {
    let opening = realms.get(realm);
    if (opening === undefined) {
      opening = RealmHub.open(realm, options);
      realms.set(realm, opening);
      // A failed opening is not kept: the next one tries again.
      opening.then(
        (hub) => opened.set(realm, hub),
        () => realms.delete(realm),
      );
    }
    return opening;
  }

  function admitted(socket: WebSocket, holder: TokenHolder, address: string): void {
    const session = new Session(socket, holder, address, clock());
    sessions.add(session);
    const helloTimer = setTimeout(() => session.close('hello_timeout', 1_000), pace.helloMs);
    let hub: RealmHub | null = null;
    // Messages before the welcome wait for it; after it they run side by side.
    let greeting: Promise<void> | null = null;

    const onMessage = async (message: FromNode): Promise<void> => {
      if (session.hello === null) {
        if (message.t !== 'hello') {
          log.warn(session.about, 'sync: a node spoke before its hello');
          return session.close('unexpected_message', 5_000);
        }
        clearTimeout(helloTimer);
        greeting = greet(session, message).then((joined) => {
          hub = joined;
        });
        return greeting;
      }
      if (greeting !== null) await greeting;
      if (hub !== null && session.isOpen) await converse(session, hub, message, options);
    };

    socket.on('message', (data, isBinary) => {
      session.lastHeardMs = clock();
      const read = Session.read(data, isBinary);
      if (!read.ok) {
        log.warn({ ...session.about, why: read.why }, 'sync: closed a socket that sent something else than the protocol');
        return session.close('not_a_message', 5_000);
      }
      onMessage(read.value).catch((error: unknown) => {
        log.error({ err: error, ...session.about }, 'sync: a message could not be handled');
        session.close('unavailable', 1_000);
      });
    });
    socket.on('pong', () => {
      session.lastHeardMs = clock();
    });
    // Protocol violations (bad frames, too large) end here; ws has closed the socket by then.
    socket.on('error', (error) => log.warn({ err: error, ...session.about }, 'sync: a socket failed'));
    socket.on('close', (code) => {
      clearTimeout(helloTimer);
      sessions.delete(session);
      session.abandonCommands();
      if (session.live) {
        log.info({ ...session.about, code, reason: session.closing ?? 'closed by the node' }, 'sync: a node left');
        departed.set(session.source, session);
      }
      session.live = false;
      if (hub !== null) {
        hub.sessions.delete(session);
        hub.changed();
      }
    });
  }

  /** Judges the hello, enrols the node, answers. null: it was sent away. */
  async function greet(session: Session, hello: Hello): Promise<RealmHub | null> {
    session.hello = hello;
    const publicKey = Buffer.from(hello.publicKey, 'base64');
    if (hello.protocol !== PROTOCOL_VERSION) {
      log.warn({ ...session.about, protocol: hello.protocol }, 'sync: a node speaks another version of the protocol');
      session.close('protocol_version', 60_000);
      return null;
    }
    if (!NAME_PATTERN.test(hello.node) || publicKey.length !== 32) {
      log.warn(session.about, 'sync: a hello with an impossible name or key');
      session.close('bad_hello', 60_000);
      return null;
    }
    session.publicKey = publicKey;
    const hub = await realmHub(session.realm);
    if (!session.isOpen || !makeRoom(session, hub)) return null;
    hub.sessions.add(session);
    const { previousKey } = await db.nodes.enrol({ ...progressOf(session, hubId, true), publicKey: hello.publicKey });
    if (previousKey !== hello.publicKey) await auditEnrolment(session, previousKey);
    await hub.welcome(session, hello);
    if (session.live) {
      log.info({ ...session.about, version: hello.version, has: hello.revision }, 'sync: a node joined');
      session.dirty = true;
      hub.changed();
    }
    return hub;
  }

  /** One socket a node: a newer one of the same node replaces the older; another machine under the same name has to wait. */
  function makeRoom(session: Session, hub: RealmHub): boolean {
    for (const other of hub.sessions) {
      if (other === session || other.name !== session.name || !other.isOpen) continue;
      const isSameNode = Buffer.compare(other.publicKey, session.publicKey) === 0;
      if (!isSameNode && clock() - other.lastHeardMs < pace.silenceMs) {
        log.warn(session.about, 'sync: two machines use one node name: the second is refused (FLUXGATE_NODE_NAME)');
        session.close('node_name_taken', pace.silenceMs);
        return false;
      }
      other.close('replaced', 10_000);
    }
    return true;
  }

  async function auditEnrolment(session: Session, previousKey: string | null): Promise<void> {
    const { realm, name, holder, address } = session;
    const action = previousKey === null ? 'nodes.enrol' : 'nodes.rekey';
    const actor = { name: `node/${name}`, role: 'node', address, requestId: `sync-${session.hello?.bootId ?? ''}` };
    const after = { publicKey: session.hello?.publicKey ?? '', token: holder.kid };
    const before = previousKey === null ? undefined : { publicKey: previousKey };
    await db.write(realm, actor, async () => ({
      value: null,
      records: [],
      summary: [],
      audit: [{ action, target: `node/${name}`, before, after }],
    }));
    if (previousKey !== null) log.warn(session.about, 'sync: a known node came with a new key');
  }

  async function flush(): Promise<void> {
    const nowMs = clock();
    const left = [...departed.values()];
    const due = [...sessions].filter((session) => session.live && (session.dirty || nowMs - session.flushedAtMs >= REFRESH_MS));
    if (due.length === 0 && left.length === 0) return;
    departed.clear();
    for (const session of due) {
      session.dirty = false;
      session.flushedAtMs = nowMs;
    }
    // A node that left and is back already is not written as gone.
    const back = new Set(due.map((session) => `${session.realm}/${session.name}`));
    const gone = left.filter((session) => !back.has(`${session.realm}/${session.name}`));
    try {
      await db.nodes.progress([
        ...due.map((session) => progressOf(session, hubId, true)),
        ...gone.map((session) => progressOf(session, hubId, false)),
      ]);
    } catch (error) {
      log.debug({ err: error }, 'sync: the node table could not be written');
      for (const session of due) session.dirty = true;
      for (const session of gone) departed.set(session.source, session);
    }
  }

  async function sweep(): Promise<void> {
    const nowMs = clock();
    for (const session of sessions) {
      if (nowMs - session.lastHeardMs > pace.silenceMs) {
        log.warn(session.about, 'sync: a node is silent');
        session.closing = 'silent';
        session.socket.terminate();
      } else if (session.isOpen) {
        session.socket.ping();
      }
    }
    const kids = [...new Set([...sessions].map((session) => session.holder.kid))];
    if (kids.length > 0) {
      try {
        const rows = await db.prisma.accessToken.findMany({
          where: { kid: { in: kids } },
          select: { kid: true, revokedAt: true, expiresAt: true },
        });
        for (const row of rows) {
          if (row.revokedAt !== null || (row.expiresAt !== null && row.expiresAt.getTime() <= nowMs)) disconnect(row.kid);
        }
      } catch (error) {
        log.debug({ err: error }, 'sync: the tokens of the nodes could not be read');
      }
    }
  }

  /** Apart from the sweep: a slow vault must not keep sockets from being pinged. */
  async function refreshSecrets(): Promise<void> {
    await Promise.all([...opened.values()].filter((hub) => hub.sessions.size > 0).map((hub) => hub.refreshSecrets()));
  }

  function disconnect(tokenKid: string): void {
    for (const session of sessions) if (session.holder.kid === tokenKid) session.close('token_ended', 60_000);
  }

  const timers = [
    every(pace.pollMs, async () => {
      await Promise.all([...opened.values()].filter((hub) => hub.sessions.size > 0).map((hub) => hub.advance()));
    }),
    every(pace.heartbeatMs, async () => {
      for (const hub of opened.values()) hub.heartbeat();
    }),
    every(pace.flushMs, flush),
    every(pace.sweepMs, sweep),
  ];
  const secretsTimer = every(pace.sweepMs, refreshSecrets);

  /** One run at a time, however long it takes. */
  function every(ms: number, work: () => Promise<void>): { stop(): Promise<void> } {
    let running: Promise<void> = Promise.resolve();
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      running = work()
        .catch((error: unknown) => log.error({ err: error }, 'sync: a periodic task failed'))
        .finally(() => {
          busy = false;
        });
    }, ms);
    return {
      stop: () => {
        clearInterval(timer);
        return running;
      },
    };
  }

  return {
    attach(server) {
      attachUpgrade(server, {
        sockets,
        verify: options.verifyNodeToken,
        log,
        isShut: () =>
          closing || sessions.size >= SOCKETS_MAX || [...sessions].filter(({ hello }) => hello === null).length >= STRANGERS_MAX,
        admitted,
      });
    },
    wake(realm) {
      const hub = opened.get(realm);
      if (hub !== undefined) void hub.advance();
    },
    async convergence(realm, revision, timeoutMs) {
      const hub = await realmHub(realm);
      if (hub.feed.head.revision < revision) await hub.advance();
      return awaitConvergence({ hubId, freshMs: FRESH_MS, hub, epoch: hub.feed.head.epoch }, options, revision, timeoutMs);
    },
    async pushSecrets(realm) {
      const hub = await realmHub(realm);
      await hub.refreshSecrets();
    },
    async secretsSpread(realm, generation) {
      return secretsSpread(await db.nodes.list(realm), opened.get(realm)?.sessions ?? [], generation, {
        hubId,
        nowMs: clock(),
        freshMs: FRESH_MS,
      });
    },
    async list(realm) {
      const [rows, head] = [await db.nodes.list(realm), await db.head(realm)];
      return viewNodes(rows, opened.get(realm)?.sessions ?? [], head, { hubId, nowMs: clock(), freshMs: FRESH_MS });
    },
    async command(realm, name, args, timeoutMs, nodes) {
      const asked = [...(opened.get(realm)?.sessions ?? [])].filter(
        (session) => session.live && session.isOpen && (nodes === undefined || nodes.includes(session.name)),
      );
      const id = Buffer.from(random(12)).toString('base64url');
      const answers = await Promise.all(
        asked.map(async (session) => [session.name, await session.command(id, name, args, timeoutMs)] as const),
      );
      return new Map(answers);
    },
    disconnect,
    get connected() {
      return [...sessions].filter((session) => session.live && session.isOpen).length;
    },
    async close() {
      closing = true;
      // Not waited for: a vault that does not answer must not hold up a shutdown.
      void secretsTimer.stop();
      await Promise.all(timers.map((timer) => timer.stop()));
      for (const hub of opened.values()) hub.sendAway('shutting_down');
      for (const session of sessions) session.close('shutting_down', 1_000);
      await goneWithin([...sessions], 500);
      for (const session of sessions) session.socket.terminate();
      for (const session of sessions) departed.set(session.source, session);
      await flush();
      sockets.close();
    },
  };
}

/** Waits until the peers have answered the close, but not for long. */
async function goneWithin(sessions: readonly Session[], ms: number): Promise<void> {
  const closed = sessions.map((session) => new Promise<void>((resolve) => session.socket.once('close', () => resolve())));
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.all(closed), timeout]);
  clearTimeout(timer);
}

function progressOf(session: Session, hub: string, connected: boolean) {
  const { epoch, applied, durable, digest, quarantined } = session.progress;
  return {
    realm: session.realm,
    name: session.name,
    bootId: session.hello?.bootId ?? '',
    version: session.hello?.version ?? '',
    tokenKid: session.holder.kid,
    epoch,
    applied,
    durable,
    digest,
    quarantined,
    secretsGeneration: session.secretsHeld,
    hub,
    connected,
    lastSeenAtMs: session.lastHeardMs,
  };
}
