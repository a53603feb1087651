import type { WrittenRotation } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../../command.ts';
import { Failure } from '../../../failure.ts';
import { done, none, plain } from '../../../outcome.ts';
import { converged, landing, writing } from '../../../waiting.ts';

interface Options {
  readonly rotation: string;
  readonly whenIdleMs: number | null;
}
const ASK_EVERY_MS = 5000;

export const finish = command<
  Options,
  WrittenRotation,
  Pick<Needs, 'admin' | 'settings' | 'waiting' | 'prompt' | 'say' | 'now' | 'sleep'>
>({
  options: (read) => ({ rotation: read.args[0] ?? '', whenIdleMs: read.durationMs('when-idle') ?? null }),
  run: async ({ rotation, whenIdleMs }, needs) => {
    if (whenIdleMs === null && !needs.settings.dryRun)
      await needs.prompt.confirm('End the old version now, even if it is in use?');
    const untilMs = needs.now() + needs.waiting.timeoutMs;
    for (let asked = 0; ; asked++) {
      try {
        const written = await needs.admin.call('rotationsFinish', {
          path: { rotation },
          body: { whenIdleMs, force: whenIdleMs === null },
          ...writing(needs.waiting, needs.settings),
        });
        return await converged(written, needs);
      } catch (error) {
        const busy = error instanceof Failure && error.details.code === 'rotation_not_idle';
        if (!busy) throw error;
        // Only a --wait that was typed waits for the callers; the usual one is about nodes.
        const patient = needs.waiting.on && needs.waiting.explicit && needs.now() + ASK_EVERY_MS < untilMs;
        if (!patient)
          throw new Failure({
            ...error.details,
            hint: error.details.hint ?? `Redeploy that caller, then rerun. Who it is: fluxctl keys rotations status ${rotation}`,
          });
        if (asked === 0) needs.say(plain('the old version is still in use; waiting until it is idle'));
        await needs.sleep(ASK_EVERY_MS);
      }
    }
  },
  show: ({ rotation, convergence, revision }, _options, { settings }) => {
    const landed = landing(convergence, revision);
    return {
      view: none,
      names: [rotation.id],
      before: settings.dryRun
        ? [plain(`dry run: version ${rotation.fromVersion} of ${rotation.keyName} would end now; nothing was changed`)]
        : [
            done(
              `${rotation.keyName}: version ${rotation.fromVersion} ended, version ${rotation.toVersion} stays${landed.text === null ? '' : ` · ${landed.text}`}`,
            ),
            ...landed.lines,
          ],
      exit: landed.exit,
    };
  },
});
