import { Secret } from '@fluxgate/stores/secrets';
import { isProblem, type Problem, problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type Actor, createWrite } from '../write.ts';
import type { Delivery } from './delivery.ts';
import { endRotation } from './end-rotation.ts';

/** How long a delivery waits for nodes that are slow; the old version verifies all the while. */
const CONVERGE_MS = 10_000;

/**
 * Puts the new secret where its owner reads it, once the live nodes know it: whoever reads it there can use it. If the
 * store refuses, the rotation is aborted, and nothing has changed for anybody.
 */
export async function deliverSecret(
  services: Services,
  actor: Actor,
  what: {
    readonly place: Delivery;
    readonly plaintext: string;
    readonly rotation: string;
    readonly revision: number;
    readonly waitMs: number | null;
  },
): Promise<Problem | null> {
  await services.nodes.convergence(actor.realm, what.revision, what.waitMs ?? CONVERGE_MS);
  const { path, field } = what.place;
  try {
    await services.secretsOf(actor.realm).set(path, field, Secret.fromText(what.plaintext), actor.name);
    return null;
  } catch (error) {
    services.log.error(
      { err: error, realm: actor.realm, path, field, rotation: what.rotation },
      'a new secret could not be delivered',
    );
    const write = createWrite(services, actor, { action: 'keys.rotate.undo' });
    const undone = await endRotation(write, {
      realm: actor.realm,
      rotation: what.rotation,
      nowMs: services.door.nowMs(),
      how: 'aborted',
      idleMs: null,
    });
    const rest = isProblem(undone)
      ? `the rotation ${what.rotation} is still open: ${undone.detail}`
      : 'the rotation was undone, the old version is active';
    return problem(
      'secret_store_unavailable',
      `${path}#${field} could not be written; ${rest}`,
      'check the secret store and rotate again',
    );
  }
}
