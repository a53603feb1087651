import type { Whoami } from '@fluxgate/protocol/admin';
import { connectAdmin } from './client.ts';
import type { Host } from './host.ts';
import { openJournal } from './local/journal.ts';
import type { Target } from './target.ts';
import { VERSION } from './version.ts';
import { openWire } from './wire.ts';

/** Who a token is, asked with that token only: before it is stored anywhere. */
export async function askWith(target: Target, host: Host): Promise<Whoami> {
  const wire = await openWire(host);
  try {
    return await connectAdmin({
      host,
      target: () => Promise.resolve(target),
      wire: () => Promise.resolve(wire),
      journal: openJournal(host),
      version: VERSION,
      deadlineMs: 30_000,
      dryRun: false,
      beforeWrite: () => {},
      debug: () => {},
      stillWaiting: () => {},
      minted: [],
    }).call('whoami');
  } finally {
    await wire.close();
  }
}
