import type { PepperRotation } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, none, plain, warn } from '../../outcome.ts';
import { writing } from '../../waiting.ts';

export const rotatePepper = command<object, PepperRotation, Pick<Needs, 'admin' | 'waiting'>>({
  options: () => ({}),
  run: (_options, { admin, waiting }) => {
    const { query, deadlineMs } = writing(waiting, { dryRun: false });
    // Without --wait the control plane still gives the nodes a moment.
    return admin.call('secretsRotatePepper', { body: {}, query, deadlineMs: Math.max(deadlineMs, 20_000) });
  },
  show: ({ from, to, state, spread, path }) => {
    const before = [plain(`pepper ${to} added to ${path}, held by ${spread.reached}/${spread.nodes} nodes`)];
    if (state === 'done')
      return {
        view: none,
        names: [String(to)],
        before: [...before, done(`new keys are made with pepper ${to}; older keys keep theirs`)],
      };
    return {
      view: none,
      names: [String(to)],
      before,
      after: [
        warn(`new keys are made with pepper ${from} until these nodes hold ${to}: ${spread.pending.join(', ')} (exit 8)`),
        plain('  The control plane goes on by itself: fluxctl secrets status'),
      ],
      exit: EXIT.notConverged,
    };
  },
});
