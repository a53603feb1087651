import { deliverSecret } from '../keys/deliver.ts';
import { deliveryOf } from '../keys/delivery.ts';
import { rotateKey } from '../keys/rotate.ts';
import { isProblem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import type { Handler } from './call.ts';

/** Zero downtime: the old version verifies until the grace ends, whatever happens to the new one. */
export const keysRotate: Handler<'keysRotate'> = async (call, services) => {
  const { body, realm, nowMs, params, actor, waitMs } = call;
  const { settings } = await readKeyContext(services.db.prisma, realm);
  const place = body.deliver === null ? null : deliveryOf(body.deliver, settings.apiKey);
  if (place !== null && isProblem(place)) return place;
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
