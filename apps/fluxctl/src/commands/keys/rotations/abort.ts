import type { WrittenRotation } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../../command.ts';
import { done, none, plain } from '../../../outcome.ts';
import { converged, landing, writing } from '../../../waiting.ts';

export const abort = command<
  { rotation: string },
  WrittenRotation,
  Pick<Needs, 'admin' | 'settings' | 'waiting' | 'prompt' | 'now' | 'sleep'>
>({
  options: (read) => ({ rotation: read.args[0] ?? '' }),
  run: async ({ rotation }, needs) => {
    if (!needs.settings.dryRun)
      await needs.prompt.confirm(`Drop the new version of rotation ${rotation}? Whoever has it already is refused.`);
    return converged(
      await needs.admin.call('rotationsAbort', { path: { rotation }, body: {}, ...writing(needs.waiting, needs.settings) }),
      needs,
    );
  },
  show: ({ rotation, convergence, revision }, _options, { settings }) => {
    const landed = landing(convergence, revision);
    return {
      view: none,
      names: [rotation.id],
      before: settings.dryRun
        ? [plain(`dry run: version ${rotation.toVersion} of ${rotation.keyName} would be dropped; nothing was changed`)]
        : [
            done(
              `${rotation.keyName}: version ${rotation.toVersion} dropped, version ${rotation.fromVersion} stays${landed.text === null ? '' : ` · ${landed.text}`}`,
            ),
            ...landed.lines,
          ],
      exit: landed.exit,
    };
  },
});
