import type { Convergence, ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, gridView, plain, warn } from '../../outcome.ts';
import { showSeconds } from '../../units.ts';
import { converged, writing } from '../../waiting.ts';
import { nodeColumns } from './views.ts';

type Status = ResponseOf<'nodesList'> & { readonly convergence: Convergence };

export const status = command<
  { revision: number | undefined },
  Status,
  Pick<Needs, 'admin' | 'settings' | 'waiting' | 'now' | 'sleep'>
>({
  options: (read) => ({ revision: read.count('revision') }),
  run: async (options, needs) => {
    const first = await needs.admin.call('nodesList');
    const revision = options.revision ?? first.revision;
    // Only a --wait that was typed waits: the question is how things are now.
    const patient = needs.waiting.on && needs.waiting.explicit;
    const asked = patient ? writing(needs.waiting, { dryRun: false }) : null;
    const found = await needs.admin.call('revisionsConvergence', {
      path: { revision: String(revision) },
      ...(asked === null ? {} : { query: { wait: 'converged', timeout: asked.query.timeout }, deadlineMs: asked.deadlineMs }),
    });
    const last = patient ? (await converged({ revision, convergence: found }, needs)).convergence : found;
    return { ...(patient ? await needs.admin.call('nodesList') : first), convergence: last ?? found };
  },
  show: (listed, _options, { nowMs }) => {
    const { nodes, reached, revision, elapsedMs, pending } = listed.convergence;
    const waited = elapsedMs > 0 ? ` (${showSeconds(elapsedMs)})` : '';
    const view = gridView(listed.items, nodeColumns(nowMs));
    const names = listed.items.map((node) => node.name);
    const before = [plain(`desired revision ${revision}`)];
    if (nodes === 0)
      return {
        view,
        names,
        before,
        after: [warn('no gateway node is connected: nothing enforces this revision')],
        exit: listed.convergence.converged ? EXIT.done : EXIT.notConverged,
      };
    const counted = `${reached}/${nodes} nodes converged${waited}`;
    if (!listed.convergence.converged)
      return {
        view,
        names,
        before,
        after: [warn(`${counted}; waiting for ${pending.join(', ')} (exit 8)`)],
        exit: EXIT.notConverged,
      };
    // A node that holds a part back has received the revision, but does not decide by all of it.
    const held = listed.items.filter((node) => node.state === 'quarantine').map((node) => node.name);
    if (held.length > 0)
      return {
        view,
        names,
        before,
        after: [warn(`${counted}, but not by all of it: ${held.join(', ')} (exit 8)`)],
        exit: EXIT.notConverged,
      };
    return { view, names, before, after: [done(counted)] };
  },
});
