import type { JwksOnNodes } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done } from '../../outcome.ts';
import { showNodes } from './views.ts';

export const refresh = command<{ issuer: string | null }, JwksOnNodes, Pick<Needs, 'admin'>>({
  options: (read) => ({ issuer: read.args[0] ?? null }),
  run: ({ issuer }, { admin }) => admin.call('jwksRefresh', { body: { issuer } }),
  show: (result, { issuer }, { nowMs }) => {
    const asked = result.items.filter((one) => one.ok).length;
    return showNodes(result, nowMs, [done(`${issuer ?? 'every issuer'}: asked by ${asked}/${result.items.length} nodes`)]);
  },
});
