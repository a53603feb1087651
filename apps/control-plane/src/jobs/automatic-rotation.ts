import { parseKey } from '@fluxgate/policy';
import type { RotationPolicy } from '@fluxgate/protocol/admin';
import { newId } from '../door.ts';
import { deliverSecret } from '../keys/deliver.ts';
import { deliveryOf } from '../keys/delivery.ts';
import { rotateKey } from '../keys/rotate.ts';
import { isProblem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import type { Services } from '../services.ts';
import { type Actor, createWrite } from '../write.ts';

/** Who the audit log names. */
export const AUTOMATIC = 'automatic';
/** Keys rotated in one run; the rest waits for the next. */
const BATCH = 50;
/** A rotation whose secret is not at its place after this time lost it: the control plane died before the delivery. */
const DELIVERY_MS = 120_000;
const RETRY_FIRST_MS = 60_000;
const RETRY_LAST_MS = 3_600_000;

/** When a key that could not be rotated is tried again; kept in memory, forgotten by a restart. */
export interface Retries {
  readonly waits: Map<string, { untilMs: number; delayMs: number }>;
}

interface Due {
  readonly id: string;
  readonly name: string;
  readonly realm: string;
  readonly policy: RotationPolicy;
  readonly reissue: boolean;
}

/**
 * Rotates keys that are due by a policy with a place to deliver to. Without one a key is only due, which
 * `keys list --due` shows. Several control planes may run this: each key is judged again under its lock.
 */
export async function rotateDueKeys(services: Services, retries: Retries): Promise<number> {
  const nowMs = services.door.nowMs();
  let rotated = 0;
  for (const due of [...(await dueKeys(services, nowMs)), ...(await lostDeliveries(services, nowMs))].slice(0, BATCH)) {
    const wait = retries.waits.get(due.id);
    if (wait !== undefined && wait.untilMs > nowMs) continue;
    const why = await rotateOne(services, due, nowMs);
    if (why === null) {
      retries.waits.delete(due.id);
      rotated += 1;
      continue;
    }
    const delayMs = Math.min(wait === undefined ? RETRY_FIRST_MS : wait.delayMs * 2, RETRY_LAST_MS);
    retries.waits.set(due.id, { untilMs: nowMs + delayMs, delayMs });
    services.log.warn({ realm: due.realm, key: due.name, why, retryInMs: delayMs }, 'a key that is due could not be rotated');
  }
  return rotated;
}

/** null: done, or done by somebody else. */
async function rotateOne(services: Services, due: Due, nowMs: number): Promise<string | null> {
  const { realm, policy } = due;
  const actor: Actor = { realm, name: AUTOMATIC, role: 'system', address: null, requestId: newId(services.door, 'req') };
  const { settings } = await readKeyContext(services.db.prisma, realm);
  const place = deliveryOf(policy.deliver ?? '', settings.apiKey);
  if (isProblem(place)) return place.detail;
  const result = await rotateKey(services, createWrite(services, actor, { action: 'keys.rotate' }), {
    realm,
    key: due.id,
    graceMs: policy.graceMs,
    lifetimeMs: null,
    reissue: due.reissue,
    deliver: policy.deliver,
    dryRun: false,
    nowMs,
    by: AUTOMATIC,
    onlyIfDue: !due.reissue,
  });
  if (isProblem(result)) return result.problem === 'conflict' ? null : result.detail;
  const { done, plaintext } = result;
  const failed = await deliverSecret(services, actor, {
    place,
    plaintext,
    rotation: done.value.rotation.id,
    revision: done.revision,
    waitMs: null,
  });
  if (failed === null)
    services.log.info(
      { realm, key: due.name, rotation: done.value.rotation.id, deliver: policy.deliver },
      'rotated a key by its policy',
    );
  return failed?.detail ?? null;
}

const policyOf = (value: unknown): RotationPolicy | null => value as RotationPolicy | null;

async function dueKeys({ db }: Services, nowMs: number): Promise<Due[]> {
  const rows = await db.prisma.credential.findMany({
    where: { rotationDueAt: { lte: new Date(nowMs) }, state: 'active', versions: { some: { state: 'active' } } },
    orderBy: { rotationDueAt: 'asc' },
    take: BATCH * 4,
    select: { id: true, name: true, realm: true, rotation: true },
  });
  const open = await db.prisma.rotation.findMany({
    where: { credentialId: { in: rows.map(({ id }) => id) }, state: 'retiring', graceUntil: { gt: new Date(nowMs) } },
    select: { credentialId: true },
  });
  // Two versions are live: the running rotation has to end first, which it does by the clock.
  const busy = new Set(open.map(({ credentialId }) => credentialId));
  return rows.flatMap(({ id, name, realm, rotation }): Due[] => {
    const policy = policyOf(rotation);
    return policy?.deliver == null || busy.has(id) ? [] : [{ id, name, realm, policy, reissue: false }];
  });
}

/** Rotations of this job whose secret never arrived. The old version is still valid, so replacing the new one hurts nobody. */
async function lostDeliveries(services: Services, nowMs: number): Promise<Due[]> {
  const open = await services.db.prisma.rotation.findMany({
    where: {
      actor: AUTOMATIC,
      state: 'retiring',
      graceUntil: { gt: new Date(nowMs) },
      createdAt: { lt: new Date(nowMs - DELIVERY_MS) },
    },
    take: BATCH * 4,
  });
  const lost: Due[] = [];
  for (const { credentialId, toKid, realm } of open) {
    const credential = await services.db.prisma.credential.findUnique({
      where: { id: credentialId },
      select: { id: true, name: true, rotation: true },
    });
    const policy = policyOf(credential?.rotation);
    if (credential === null || policy?.deliver == null) continue;
    const { settings } = await readKeyContext(services.db.prisma, realm);
    const place = deliveryOf(policy.deliver, settings.apiKey);
    if (isProblem(place)) continue;
    const stored = await services.secretsOf(realm).get(place.path, place.field);
    const key = stored === null ? null : parseKey(stored.reveal());
    if (key?.ok === true && key.kid === toKid) continue;
    lost.push({ id: credential.id, name: credential.name, realm, policy, reissue: true });
  }
  return lost;
}
