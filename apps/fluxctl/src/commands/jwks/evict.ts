import type { JwksOnNodes } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done } from '../../outcome.ts';
import { showNodes } from './views.ts';

interface Options {
  readonly issuer: string;
  readonly kid: string | null;
}

const what = ({ issuer, kid }: Options): string => (kid === null ? `all keys of ${issuer}` : `key ${kid} of ${issuer}`);

export const evict = command<Options, JwksOnNodes, Pick<Needs, 'admin' | 'prompt'>>({
  options: (read) => ({ issuer: read.args[0] ?? '', kid: read.text('kid') ?? null }),
  run: async (options, { admin, prompt }) => {
    await prompt.confirm(`Take ${what(options)} out of every node?`);
    return admin.call('jwksEvict', { body: options });
  },
  show: (result, options, { nowMs }) => {
    const gone = result.items.filter((one) => one.ok).length;
    return showNodes(result, nowMs, [done(`${what(options)}: gone from ${gone}/${result.items.length} nodes`)]);
  },
});
