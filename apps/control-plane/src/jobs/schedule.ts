import { rotateDueRings, tidySigningKeys } from '../issuer/rotate.ts';
import { finishWaitingPepper, tidyPeppers } from '../keys/pepper-rotation.ts';
import type { Services } from '../services.ts';
import { type Retries, rotateDueKeys } from './automatic-rotation.ts';
import { tidyRealm } from './tidy.ts';

export interface Jobs {
  /** Takes no new run; resolves when a running one has ended. */
  stop(): Promise<void>;
}

const ROTATE_EVERY_MS = 30_000;
/** Steps of the signing keyring are due at moments known long before; a small lead makes short cache lives possible too. */
const ISSUER_EVERY_MS = 5_000;
const TIDY_EVERY_MS = 15 * 60_000;
const SECRETS_EVERY_MS = 5_000;
const PEPPER_EVERY_MS = 5_000;
const PRUNE_EVERY_MS = 3_600_000;

/** Background work of one control plane. A run that fails is logged and counted; the next one tries again. */
export function startJobs(services: Services): Jobs {
  const retries: Retries = { waits: new Map() };
  const timers: NodeJS.Timeout[] = [];
  const running = new Set<Promise<void>>();

  const every = (name: string, intervalMs: number, work: () => Promise<unknown>): void => {
    let busy = false;
    const run = async (): Promise<void> => {
      busy = true;
      try {
        await work();
        services.metrics.job(name, 'done');
      } catch (error) {
        services.metrics.job(name, 'failed');
        services.log.warn({ err: error, job: name }, 'a background job failed');
      } finally {
        busy = false;
      }
    };
    const timer = setInterval(() => {
      if (busy) return;
      const one = run().finally(() => running.delete(one));
      running.add(one);
    }, intervalMs);
    timers.push(timer);
  };

  every('rotate', ROTATE_EVERY_MS, () => rotateDueKeys(services, retries));
  every('issuer', ISSUER_EVERY_MS, () => rotateDueRings(services));
  every('issuer-tidy', TIDY_EVERY_MS, () => tidySigningKeys(services));
  every('tidy', TIDY_EVERY_MS, async () => {
    const realms = await services.db.prisma.realm.findMany({ select: { name: true } });
    for (const { name } of realms) {
      await tidyRealm(services, name);
      await tidyPeppers(services, name);
    }
  });
  every('secrets', SECRETS_EVERY_MS, () => services.secretsMonitor.check());
  every('pepper', PEPPER_EVERY_MS, async () => {
    // Said by the monitor already.
    if (services.secretsMonitor.last?.ok === false) return;
    const realms = await services.db.prisma.realm.findMany({ select: { name: true } });
    for (const { name } of realms) await finishWaitingPepper(services, name);
  });
  every('prune', PRUNE_EVERY_MS, () => services.db.tidy(services.door.nowMs()));

  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(running);
    },
  };
}
