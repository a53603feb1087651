import type { SecretsStatus } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, grid, plain, sheet, warn } from '../../outcome.ts';

const STORES = { vault: 'Vault', local: 'local, in the database of the control plane' } as const;

export const status = command<object, SecretsStatus, Pick<Needs, 'admin'>>({
  options: () => ({}),
  run: (_options, { admin }) => admin.call('secretsStatus'),
  show: ({ store, ok, why, remedy, pepper }) => {
    const fields: [string, string][] = [['Store', STORES[store]]];
    if (pepper !== null) {
      const { path, current, pending, spread } = pepper;
      const next = pending === null ? '' : `, ${pending} waits for nodes`;
      fields.push(
        ['Pepper ring', path],
        ['Current', `${current}${next}`],
        ['Nodes', `${spread.reached}/${spread.nodes} hold the ring`],
      );
    }
    const versions = grid(pepper?.versions ?? [], [
      { title: 'PEPPER', text: ({ version }) => String(version) },
      { title: 'KEYS', text: ({ keys }) => String(keys) },
    ]);
    const lines = ok
      ? [done('the secret store answers')]
      : [warn(`the secret store is unavailable: ${why}`), plain(`  ${remedy}`), plain('  Gateways go on with what they hold.')];
    return {
      view: sheet(fields, pepper === null ? [] : [versions]),
      names: [store],
      after: pepper === null && ok ? [...lines, plain('no pepper ring yet: the first key makes it')] : lines,
      exit: ok ? EXIT.done : EXIT.saysNo,
    };
  },
});
