import { ENTITY } from '@fluxgate/protocol/sync';
import { hasKeys } from '@fluxgate/stores/postgres';
import {
  beginPepperRotation,
  ensurePepperRing,
  finishPepperRotation,
  type PepperRing,
  pendingPepper,
  readPepperRing,
} from '@fluxgate/stores/secrets';
import { type Door, newId } from '../door.ts';
import { type Problem, problem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import type { SecretsSpread, Services } from '../services.ts';
import { type Actor, createWrite, type Write } from '../write.ts';
import { vaultPathOf } from './pepper.ts';

type Means = Pick<Services, 'db' | 'secretsOf' | 'nodes' | 'door' | 'log'>;

export interface PepperRotation {
  readonly path: string;
  /** What new keys were made with before. */
  readonly from: number;
  readonly to: number;
  /** waiting: a node that is live does not hold the new pepper yet; a job finishes it when all do. */
  readonly state: 'done' | 'waiting';
  readonly spread: SecretsSpread;
}

const POLL_MS = 50;
const BY = 'control-plane';
/** A key that was being made with an old pepper has long been committed, or never will be. */
const SETTLED_MS = 15 * 60_000;

async function pathOf({ db }: Pick<Means, 'db'>, realm: string): Promise<string> {
  return vaultPathOf((await readKeyContext(db.prisma, realm)).settings.apiKey);
}

const making = ({ door, db }: Pick<Means, 'door' | 'db'>, realm: string) => ({
  by: BY,
  random: (count: number) => door.randomBytes(count),
  isNeeded: () => hasKeys(db.prisma, realm),
});

/** Hands the ring to the nodes and watches until all that are live verify with it, or the time is over. */
async function spreadOf(means: Means, realm: string, ring: PepperRing, waitMs: number): Promise<SecretsSpread> {
  const untilMs = means.door.nowMs() + waitMs;
  await means.nodes.pushSecrets(realm);
  for (;;) {
    const spread = await means.nodes.secretsSpread(realm, ring.generation);
    if (spread.pending.length === 0 || means.door.nowMs() >= untilMs) return spread;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Version v + 1 goes into the ring and to the nodes; only when every live node verifies with it are new keys made with it. A node that is away gets
 * secrets before state when it comes back. Errors: `SecretStoreUnavailable`, `SecretUnreadable`, `DatabaseUnavailable`.
 */
export async function rotatePepper(means: Means, realm: string, write: Write, waitMs: number): Promise<PepperRotation | Problem> {
  const path = await pathOf(means, realm);
  const store = means.secretsOf(realm);
  const before = await ensurePepperRing(store, path, making(means, realm));
  const ring = await beginPepperRotation(store, path, making(means, realm));
  const to = pendingPepper(ring);
  if (to === null)
    return problem('conflict', 'another rotation of the pepper has just ended', 'look at `fluxctl secrets status`');
  const spread = await spreadOf(means, realm, ring, waitMs);
  const isDone = spread.pending.length === 0;
  if (isDone) await finish(means, realm, path, to);
  const state = isDone ? 'done' : 'waiting';
  await write(async () => ({
    value: {},
    records: [],
    audit: [
      {
        target: `secret/${path}`,
        before: { current: before.current },
        after: { current: isDone ? to : before.current, to, state },
      },
    ],
  }));
  return { path, from: before.current, to, state, spread };
}

async function finish(means: Means, realm: string, path: string, to: number): Promise<void> {
  await finishPepperRotation(means.secretsOf(realm), path, to, BY);
  await means.nodes.pushSecrets(realm);
}

/** For the job: finishes what waited for a node. True: it did. */
export async function finishWaitingPepper(means: Means, realm: string): Promise<boolean> {
  const path = await pathOf(means, realm);
  const ring = await readPepperRing(means.secretsOf(realm), path);
  const to = ring === null ? null : pendingPepper(ring);
  if (ring === null || to === null) return false;
  const spread = await spreadOf(means, realm, ring, 0);
  if (spread.pending.length > 0) return false;
  await finish(means, realm, path, to);
  means.log.info({ realm, path, current: to }, 'a rotation of the pepper that waited for nodes is finished');
  return true;
}

/** Keys by the pepper that they were made with: those that may verify again, and those that nodes still know. */
export async function keysByPepper({ db }: Pick<Means, 'db'>, realm: string): Promise<ReadonlyMap<number, number>> {
  const rows = await db.prisma.$queryRaw<{ version: number; keys: bigint }[]>`
    SELECT v.pepper_version AS version, count(*) AS keys FROM key_version v
     WHERE v.realm = ${realm} AND (v.state NOT IN ('revoked', 'retired')
        OR EXISTS (SELECT 1 FROM entity e WHERE e.realm = v.realm AND e.kind = ${ENTITY.key}::smallint AND e.id = v.kid))
     GROUP BY v.pepper_version`;
  return new Map(rows.map(({ version, keys }) => [Number(version), Number(keys)]));
}

/** Destroys peppers that no key references any more. Answers which. */
export async function tidyPeppers(services: Services, realm: string): Promise<readonly number[]> {
  const path = await pathOf(services, realm);
  const store = services.secretsOf(realm);
  const ring = await readPepperRing(store, path);
  if (ring === null || ring.peppers.size < 2 || pendingPepper(ring) !== null) return [];
  const current = (await store.list(path)).find((entry) => entry.path === path && entry.field === 'current');
  if (current === undefined || services.door.nowMs() - current.updatedAtMs < SETTLED_MS) return [];
  const used = await keysByPepper(services, realm);
  const gone = [...ring.peppers.keys()].filter((version) => version < ring.current && !used.has(version));
  for (const version of gone) await store.remove(path, `pepper.${version}`);
  if (gone.length === 0) return gone;
  const write = createWrite(services, systemActor(services.door, realm), { action: 'secrets.destroyPepper' });
  await write(async () => ({
    value: {},
    records: [],
    audit: gone.map((version) => ({ target: `secret/${path}#pepper.${version}`, after: { destroyed: true } })),
  }));
  await services.nodes.pushSecrets(realm);
  return gone;
}

const systemActor = (door: Door, realm: string): Actor => ({
  realm,
  name: 'tidy',
  role: 'system',
  address: null,
  requestId: newId(door, 'req'),
});
