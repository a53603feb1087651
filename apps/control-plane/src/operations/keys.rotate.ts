import type { RotationPolicy } from '@fluxgate/protocol/admin';
import { deliverSecret } from '../keys/deliver.ts';
import { deliveryOf } from '../keys/delivery.ts';
import { readLineage } from '../keys/lineage.ts';
import { rotateKey } from '../keys/rotate.ts';
import { isProblem, type Problem, problem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import type { Services } from '../services.ts';
import type { Call, Handler } from './call.ts';

/**
 * A delivery replaces what lies at its place. Entries are written by admins, so whoever may only rotate delivers to the place that the
 * policy of this very key names: else a rotator could overwrite any secret in the store.
 */
async function foreignPlace({ who, realm, params, body }: Call<'keysRotate'>, { db }: Services): Promise<Problem | null> {
  if (who.role !== 'key-rotator' || body.deliver === null) return null;
  const lineage = await readLineage(db.prisma, realm, params['key'] ?? '');
  const policy = (lineage?.row.rotation ?? null) as RotationPolicy | null;
  // A key that is not there is told so by the rotation itself.
  if (lineage === null || policy?.deliver === body.deliver) return null;
  return problem(
    'forbidden',
    'the role key-rotator delivers only to the place that the rotation policy of the key names',
    'leave deliver out, or let an operator put the place into the policy of the key',
  );
}

/** Zero downtime: the old version verifies until the grace ends, whatever happens to the new one. */
export const keysRotate: Handler<'keysRotate'> = async (call, services) => {
  const { body, realm, nowMs, params, actor, waitMs } = call;
  const { settings } = await readKeyContext(services.db.prisma, realm);
  const place = body.deliver === null ? null : deliveryOf(body.deliver, settings.apiKey);
  if (place !== null && isProblem(place)) return place;
  const foreign = await foreignPlace(call, services);
  if (foreign !== null) return foreign;
  const rotated = await rotateKey(services, call.write, {
    realm,
    key: params['key'] ?? '',
    graceMs: body.graceMs,
    lifetimeMs: body.expiresInMs ?? null,
    reissue: body.reissue,
    deliver: body.deliver,
    dryRun: call.dryRun,
    nowMs,
    by: actor.name,
  });
  if (isProblem(rotated)) return rotated;
  const { done, plaintext } = rotated;
  if (place !== null && !call.dryRun) {
    const failed = await deliverSecret(services, actor, {
      place,
      plaintext,
      rotation: done.value.rotation.id,
      revision: done.revision,
      waitMs,
    });
    if (failed !== null) return failed;
  }
  return { ...done.value, revision: done.revision, convergence: null };
};
