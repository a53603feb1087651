import type { IssuedToken, Role } from '@fluxgate/protocol/admin';
import type { Needs } from './command.ts';
import { EXIT } from './exit.ts';
import { mintInto, prepared, readSinkOptions, type SinkOptions } from './handover.ts';
import { dim, done, none, plain, type Shown, text, warn } from './outcome.ts';
import type { Reader } from './reader.ts';
import { showDate } from './units.ts';

/** Tokens of nodes and of admins are made, shown and delivered alike. */
export interface TokenOptions extends SinkOptions {
  readonly name: string;
  readonly role: Role | null;
  readonly expiresInMs: number | null;
}
export type MadeToken = IssuedToken & { readonly delivered: string | null };

export function readTokenOptions(read: Reader): TokenOptions {
  const expiry = read.text('expiry');
  return {
    name: read.text('name') ?? '',
    role: (read.text('role') as Role | undefined) ?? null,
    expiresInMs: expiry === undefined || expiry === 'never' ? null : (read.expiryMs('expiry') ?? null),
    ...readSinkOptions(read),
  };
}

export async function makeToken(
  options: TokenOptions,
  needs: Pick<Needs, 'sinks' | 'mask' | 'settings'>,
  request: () => Promise<IssuedToken>,
  revoke: string,
): Promise<MadeToken> {
  const place = await prepared(options, needs);
  const { answer, secret, delivered } = await mintInto(
    place,
    request,
    (issued) => ({ secret: issued.token, name: issued.view.name }),
    needs,
    (issued) => `The token exists, but is lost. Remove it: ${revoke} ${issued.view.kid} --yes`,
  );
  return { ...answer, token: secret, delivered };
}

export function showToken(made: MadeToken, what: string, revoke: string, next: string): Shown {
  const { view } = made;
  const names = [view.kid];
  if (made.replayed)
    return {
      view: none,
      names,
      exit: EXIT.conflict,
      before: [
        warn(`replayed: ${what} ${view.name} was already made by this request; it was given then and is not kept (exit 7)`),
        plain(`  Remove it: ${revoke} ${view.kid} --yes`),
      ],
    };
  const before = [
    done(`${what} created   ${view.kid}   ${view.name}`),
    plain(
      `  role ${view.role} · realm ${view.realm} · ${view.expiresAt === null ? 'never expires' : `expires ${showDate(view.expiresAt)}`}`,
    ),
  ];
  if (made.token === null)
    return {
      view: none,
      names,
      before: made.delivered === null ? before : [...before, plain(`  delivered (${made.delivered})`)],
    };
  return {
    view: text(made.token),
    names,
    before: [...before, plain('')],
    after: [plain(''), dim(`Not shown again. ${next}`)],
    holdsSecret: true,
  };
}
