import type { Whoami } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { type Line, sheet, warn } from '../../outcome.ts';
import { showDistance, showTime } from '../../units.ts';

interface Status {
  readonly server: string;
  readonly context: string | null;
  readonly tokenSource: string;
  /** null: no stored token is in use. */
  readonly store: string | null;
  readonly looseMode: string | null;
  readonly who: Whoami;
}
const WARN_MS = 14 * 86_400_000;

export const status = command<null, Status, Pick<Needs, 'admin' | 'target' | 'store'>>({
  options: () => null,
  run: async (_options, { admin, target, store }) => {
    const { server, context, tokenSource } = await target();
    const stored = tokenSource.startsWith('context ');
    const who = await admin.call('whoami');
    return {
      server,
      context,
      tokenSource,
      store: stored ? store.path : null,
      looseMode: stored ? await store.looseMode() : null,
      who,
    };
  },
  show: ({ server, context, tokenSource, store, looseMode, who }, _options, { nowMs }) => {
    const after: Line[] = [];
    if (who.expiresAt !== null && Date.parse(who.expiresAt) - nowMs < WARN_MS)
      after.push(
        warn(
          `this token ends in ${showDistance(who.expiresAt, nowMs)}: fluxctl tokens create --name ${who.actor} --role ${who.role}`,
        ),
      );
    if (looseMode !== null) after.push(warn(`${store} can be read by others (${looseMode}): chmod 600 ${store}`));
    return {
      names: [who.actor],
      view: sheet([
        ['Actor', who.actor],
        ['Role', who.role],
        ['Realm', who.realm],
        ['Server', `${server} (${who.serverVersion})`],
        ['Context', context ?? 'none'],
        ['Token', `${who.kid}, from ${tokenSource}`],
        ['Stored', store === null ? 'not stored by fluxctl' : `in clear in ${store}, file mode ${looseMode ?? '0600'}`],
        ['Expires', who.expiresAt === null ? 'never' : `${showTime(who.expiresAt)} (${showDistance(who.expiresAt, nowMs)})`],
        ['Revision', String(who.revision)],
      ]),
      after,
    };
  },
});
