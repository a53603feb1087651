import type { IssuedClient } from '@fluxgate/protocol/admin';
import type { Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { mintInto, prepared, type SinkOptions } from '../../handover.ts';
import { dim, done, none, plain, type Shown, text, warn } from '../../outcome.ts';
import type { Settings } from '../../settings.ts';
import { showDuration, showList, showTime } from '../../units.ts';

export type Minted = IssuedClient & { readonly delivered: string | null };

/** Nodes learn nothing of clients, so there is nothing to wait for. */
export const rehearsal = ({ dryRun }: Pick<Settings, 'dryRun'>): { query?: { dryRun: 'true' } } =>
  dryRun ? { query: { dryRun: 'true' } } : {};

export async function mintSecret(
  options: SinkOptions,
  needs: Pick<Needs, 'sinks' | 'mask' | 'settings'>,
  hasSecret: boolean,
  request: () => Promise<IssuedClient>,
): Promise<Minted> {
  const place = hasSecret ? await prepared(options, needs) : null;
  const { answer, secret, delivered } = await mintInto(
    place,
    request,
    (issued) => ({ secret: issued.secret, name: issued.client.name }),
    needs,
    (issued) => `The secret exists, but is lost. A new one: fluxctl clients rotate-secret ${issued.client.name} --grace 0s --yes`,
  );
  return { ...answer, secret, delivered };
}

export function showMinted(made: Minted, settings: Pick<Settings, 'dryRun'>, deed: 'created' | 'rotated'): Shown {
  const { client } = made;
  const names = [client.clientId];
  const facts = `  scope ${showList(client.scopes, 'none')} · audience ${showList(client.audiences, 'none')} · tokens live ${showDuration(client.tokenTtlMs)}`;
  if (settings.dryRun)
    return {
      view: none,
      names,
      before: [
        plain(`dry run: client ${client.name} would be ${deed === 'created' ? 'made' : 'given a new secret'}; nothing was made`),
        plain(facts),
      ],
    };
  if (made.replayed)
    return {
      view: none,
      names,
      exit: EXIT.conflict,
      before: [
        warn(`replayed: this was already done for client ${client.name}; its secret was given then and is not kept (exit 7)`),
        plain(`  A new secret for it: fluxctl clients rotate-secret ${client.name} --grace 0s --yes`),
      ],
    };
  const ending = client.secrets.find(({ notAfter }) => notAfter !== null);
  const before = [
    done(
      deed === 'created'
        ? `Client created   ${client.clientId}   ${client.name}`
        : `New secret for client ${client.name}   ${client.clientId}`,
    ),
    plain(facts),
    ...(ending === undefined ? [] : [plain(`  the old secret ${ending.kid} works until ${showTime(ending.notAfter)}`)]),
  ];
  if (made.secret === null)
    return {
      view: none,
      names,
      before: made.delivered === null ? before : [...before, plain(`  secret delivered (${made.delivered})`)],
    };
  return {
    view: text(made.secret),
    names,
    before: [...before, plain('')],
    after: [plain(''), dim('Not shown again. In scripts: --secret-to file:PATH')],
    holdsSecret: true,
  };
}
