import { command, type Needs } from '../../command.ts';
import { readSinkOptions, type SinkOptions } from '../../handover.ts';
import { type Minted, mintSecret, rehearsal, showMinted } from './minting.ts';

interface Options extends SinkOptions {
  readonly client: string;
  readonly graceMs: number | null;
}

export const rotateSecret = command<Options, Minted, Pick<Needs, 'admin' | 'sinks' | 'mask' | 'settings' | 'prompt'>>({
  options: (read) => ({ client: read.args[0] ?? '', graceMs: read.durationMs('grace') ?? null, ...readSinkOptions(read) }),
  run: async (options, needs) => {
    const { client, graceMs } = options;
    if (graceMs === 0 && !needs.settings.dryRun) await needs.prompt.confirm(`End every present secret of ${client} at once?`);
    const body = graceMs === null ? {} : { graceMs };
    return mintSecret(options, needs, true, () =>
      needs.admin.call('clientsRotateSecret', { path: { client }, body, mints: 'once', ...rehearsal(needs.settings) }),
    );
  },
  show: (made, _options, { settings }) => showMinted(made, settings, 'rotated'),
});
