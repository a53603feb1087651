import {
  isKeyringRefusal,
  type KeyringRefusal,
  nextStep,
  promotableAtMs,
  promote,
  published,
  replaceNow,
  retire,
  stage,
} from '@fluxgate/policy';
import { newId } from '../door.ts';
import { isProblem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type Actor, createWrite } from '../write.ts';
import { generateKey, type IssuerKey, type IssuerRing, lockRing, ringFacts, saveRing } from './ring.ts';

type Parts = Pick<Services, 'issuer' | 'log'>;

/** What a rotation by hand came to. */
export interface Turn {
  readonly outcome: 'staged' | 'waiting' | 'promoted';
  readonly ring: IssuerRing;
  /** Kids that left the key set although tokens of them may live. */
  readonly dropped: readonly string[];
}

export type Urgency = 'planned' | 'now' | 'compromised';

/** One step of a rotation by hand; `fresh` is the key to publish where one is needed. */
export function turn(
  ring: IssuerRing,
  fresh: IssuerKey | null,
  urgency: Urgency,
  nowMs: number,
  times: Parts['issuer']['times'],
): Turn {
  if (urgency !== 'planned') {
    const compromised = urgency === 'compromised';
    // A staged key is known to most verifiers already; after a leak nothing that lay beside the leaked one is used.
    const key = compromised || ring.next === undefined ? fresh : bare(ring.next);
    if (key === null) return { outcome: 'waiting', ring, dropped: [] };
    const after = replaceNow(ring, key, nowMs, compromised);
    const kept = new Set(published(after).map(({ kid }) => kid));
    const lost = [...(compromised ? [ring.current.kid] : []), ...(ring.previous === undefined ? [] : [ring.previous.kid])];
    return { outcome: 'promoted', ring: after, dropped: lost.filter((kid) => !kept.has(kid)) };
  }
  const tidied = retire(ring, nowMs, times);
  const now = isKeyringRefusal(tidied) ? ring : tidied;
  if (now.next === undefined) {
    const staged: IssuerRing | KeyringRefusal = fresh === null ? now : stage(now, fresh, nowMs);
    return isKeyringRefusal(staged) || fresh === null
      ? { outcome: 'waiting', ring: now, dropped: [] }
      : { outcome: 'staged', ring: staged, dropped: [] };
  }
  const promoted = promote(now, nowMs, times);
  return isKeyringRefusal(promoted)
    ? { outcome: 'waiting', ring: now, dropped: [] }
    : { outcome: 'promoted', ring: promoted, dropped: [] };
}

const bare = ({ kid, jwk, signer }: IssuerKey): IssuerKey => ({ kid, jwk, signer });

/** Will this turn need a key that does not exist yet? Made before the transaction, which may run twice and holds the database. */
export function needsKey(ring: IssuerRing, urgency: Urgency): boolean {
  return urgency === 'compromised' || ring.next === undefined;
}

/** Who the audit log names. */
const AUTOMATIC = 'automatic';

/**
 * Does what is due in every realm: retires, promotes, and stages a new key when the current one is of age. Each step is judged again under an
 * advisory lock and the ring's own lock, so that of several control planes one takes it.
 */
export async function rotateDueRings(services: Services): Promise<number> {
  const { db, door, issuer } = services;
  const rows = await db.prisma.issuerKeyring.findMany({ select: { realm: true } });
  let steps = 0;
  for (const { realm } of rows) {
    // At most: retire, promote, stage.
    for (let step = 0; step < 3 && (await stepOf(services, realm, door.nowMs())); step += 1) steps += 1;
    issuer.rings.changed(realm);
  }
  return steps;
}

async function stepOf(services: Services, realm: string, nowMs: number): Promise<boolean> {
  const { issuer } = services;
  issuer.rings.changed(realm);
  const seen = await issuer.rings.of(realm);
  const due = seen === null ? null : nextStep(seen, issuer.times, issuer.rotateEveryMs);
  if (due === null || due.atMs > nowMs) return false;
  const fresh = due.step === 'stage' ? await generateKey(issuer, realm) : null;
  const actor: Actor = { realm, name: AUTOMATIC, role: 'system', address: null, requestId: newId(services.door, 'req') };
  let used = false;
  const done = await createWrite(services, actor, { action: `jwks.${due.step}` })(async (tx) => {
    used = false;
    const [lock] = await tx.$queryRaw<
      { taken: boolean }[]
    >`SELECT pg_try_advisory_xact_lock(hashtextextended(${`fluxgate.issuer:${realm}`}, 0)) AS taken`;
    const ring = lock?.taken === true ? await lockRing(tx, realm) : null;
    const again = ring === null ? null : nextStep(ring, issuer.times, issuer.rotateEveryMs);
    if (ring === null || again === null || again.step !== due.step || again.atMs > nowMs)
      return { value: { moved: false }, records: [], audit: [] };
    const after = advance(ring, due.step, fresh, nowMs, issuer.times);
    if (after === null) return { value: { moved: false }, records: [], audit: [] };
    used = true;
    await saveRing(tx, realm, after, nowMs);
    return {
      value: { moved: true },
      records: [],
      audit: [{ target: `issuer/${realm}`, before: ringFacts(ring), after: ringFacts(after) }],
    };
  });
  if (!used && fresh !== null) await forgetQuietly(services, realm, fresh.kid);
  if (isProblem(done) || !done.value.moved) return false;
  services.log.info({ realm, step: due.step }, 'the signing keyring moved on');
  return true;
}

function advance(
  ring: IssuerRing,
  step: 'stage' | 'promote' | 'retire',
  fresh: IssuerKey | null,
  nowMs: number,
  times: Parts['issuer']['times'],
): IssuerRing | null {
  const after =
    step === 'retire'
      ? retire(ring, nowMs, times)
      : step === 'promote'
        ? promote(ring, nowMs, times)
        : fresh === null
          ? ring
          : stage(ring, fresh, nowMs);
  return isKeyringRefusal(after) || after === ring ? null : after;
}

/** A private half that nobody will use. If it cannot be destroyed now, the tidy job finds it. */
export async function forgetQuietly({ issuer, log }: Parts, realm: string, kid: string): Promise<void> {
  await issuer
    .signerFor(realm)
    .forget(kid)
    .catch((error: unknown) =>
      log.warn({ realm, kid, why: error instanceof Error ? error.message : 'unknown' }, 'a signing key is not destroyed yet'),
    );
}

/** A key younger than this may belong to a rotation that is just being written. */
const YOUNG_MS = 3_600_000;

/** Destroys private halves that sign nothing any more: those of previous keys, and those of rotations that were never written. */
export async function tidySigningKeys(services: Services): Promise<number> {
  const { db, door, issuer } = services;
  const nowMs = door.nowMs();
  let gone = 0;
  for (const { realm } of await db.prisma.issuerKeyring.findMany({ select: { realm: true } })) {
    issuer.rings.changed(realm);
    const ring = await issuer.rings.of(realm);
    if (ring === null) continue;
    const needed = new Set([ring.current.kid, ring.next?.kid]);
    // A control plane that read the ring before the change may be signing still.
    if (ring.previous !== undefined && nowMs < ring.previous.stoppedAtMs + issuer.times.skewMs) needed.add(ring.previous.kid);
    const names = new Set([ring.current.signer, issuer.signerFor(realm).name]);
    for (const name of names) {
      const signer = issuer.signerNamed(realm, name);
      for (const { kid, createdAtMs } of (await signer?.list()) ?? []) {
        const stopped = ring.previous?.kid === kid;
        if (needed.has(kid) || (!stopped && nowMs - createdAtMs < YOUNG_MS)) continue;
        await signer?.forget(kid);
        gone += 1;
      }
    }
  }
  return gone;
}

/** The earliest moment at which the staged key may sign. */
export const signsFromMs = (ring: IssuerRing, times: Parts['issuer']['times']): number => promotableAtMs(ring, times) ?? 0;
