import type { WrittenKey } from '@fluxgate/protocol/admin';
import { type Bulk, bulkExit, bulkLines, forEach } from '../../bulk.ts';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, none, plain } from '../../outcome.ts';
import { converged, landing, writing } from '../../waiting.ts';

interface Options {
  readonly keys: readonly string[];
  readonly kid: string | null;
  readonly reason: string | null;
}

export const revoke = command<
  Options,
  WrittenKey | Bulk<WrittenKey>,
  Pick<Needs, 'admin' | 'settings' | 'waiting' | 'prompt' | 'now' | 'sleep'>
>({
  options: (read) => {
    if (read.text('version') !== undefined && read.args.length > 1) read.wrong('version', 'is of one key', 'name one key');
    return { keys: read.args, kid: read.text('version') ?? null, reason: read.text('reason') ?? null };
  },
  run: async ({ keys, kid, reason }, needs) => {
    const what = kid === null ? keys.join(', ') : `version ${kid} of ${keys.join(', ')}`;
    if (!needs.settings.dryRun) await needs.prompt.confirm(`Revoke ${what} on every node, for good?`);
    const one = async (key: string): Promise<WrittenKey> =>
      converged(
        await needs.admin.call('keysRevoke', { path: { key }, body: { reason, kid }, ...writing(needs.waiting, needs.settings) }),
        needs,
      );
    return keys.length === 1 ? one(keys[0]!) : forEach(keys, one);
  },
  show: (result, _options, { settings }) => {
    const all = 'items' in result ? result.items : [result];
    const landed = all.map((item) => landing(item.convergence, item.revision));
    const before = all.flatMap((item, i) =>
      settings.dryRun
        ? [plain(`dry run: ${item.key.name} would be revoked; nothing was changed`)]
        : [
            done(
              `${item.key.name} ${item.key.state === 'revoked' ? 'revoked' : 'version revoked'}${landed[i]!.text === null ? '' : ` · ${landed[i]!.text}`}`,
            ),
            ...landed[i]!.lines,
          ],
    );
    const behind = landed.find((one) => one.exit !== EXIT.done)?.exit ?? EXIT.done;
    return {
      view: none,
      names: all.map((item) => item.key.id),
      before: 'items' in result ? [...before, ...bulkLines(result)] : before,
      exit: 'items' in result && result.failed.length > 0 ? bulkExit(result) : behind,
    };
  },
});
