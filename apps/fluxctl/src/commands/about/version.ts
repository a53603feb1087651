import { command, type Needs } from '../../command.ts';
import { text } from '../../outcome.ts';
import { VERSION } from '../../version.ts';

interface Version {
  readonly fluxctl: string;
  readonly node: string;
  readonly platform: string;
}

export const version = command<null, Version, Pick<Needs, 'host'>>({
  options: () => null,
  run: (_options, { host }) => Promise.resolve({ fluxctl: VERSION, node: host.nodeVersion, platform: host.platform }),
  show: ({ fluxctl }) => ({ view: text(`fluxctl ${fluxctl}`), names: [fluxctl] }),
});
