import type { BodyOf, IssuedKey, RotationPolicy } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { mintInto, prepared, readSinkOptions, type SinkOptions } from '../../handover.ts';
import { dim, done, none, plain, text, warn } from '../../outcome.ts';
import type { Reader } from '../../reader.ts';
import { readPublicKey } from '../../signing/keyFile.ts';
import { showList } from '../../units.ts';
import { converged, landing, writing } from '../../waiting.ts';
import { expiresText, quotaText } from './views.ts';

interface Options extends SinkOptions {
  readonly body: BodyOf<'keysGenerate'>;
  /** File of an Ed25519 public key. */
  readonly signingKey?: string;
}
type Generated = IssuedKey & { readonly delivered: string | null };

const GRACE_MS = 86_400_000;

/** `--rotate-every`, `--rotate-grace`, `--deliver` of a new key. */
function readPolicy(read: Reader): RotationPolicy | null {
  const everyMs = read.durationMs('rotate-every');
  const graceMs = read.durationMs('rotate-grace');
  const deliver = read.text('deliver');
  if (read.text('rotate-every') === undefined) {
    if (graceMs !== undefined) read.wrong('rotate-grace', 'is part of a rotation policy', 'add --rotate-every 60d');
    if (deliver !== undefined) read.wrong('deliver', 'is part of a rotation policy', 'add --rotate-every 60d');
    return null;
  }
  if (everyMs !== undefined && everyMs < 60_000) read.wrong('rotate-every', 'is shorter than a minute', 'write e.g. 60d');
  return { everyMs: everyMs ?? 0, graceMs: graceMs ?? GRACE_MS, deliver: deliver ?? null };
}

export const generate = command<
  Options,
  Generated,
  Pick<Needs, 'admin' | 'sinks' | 'settings' | 'waiting' | 'mask' | 'now' | 'sleep' | 'files'>
>({
  options: (read) => {
    const signingKey = read.text('signing-key');
    if (read.on('signing') && signingKey !== undefined)
      read.wrong('signing-key', 'contradicts --signing: a key signs in one way', 'leave one of the two out');
    const expiresInMs = read.expiryMs('expiry');
    const quota = read.quota('quota');
    const requestBudget = read.countOrUnlimited('budget');
    const labels = Object.fromEntries(
      Object.entries(read.pairs('label') ?? {}).flatMap(([key, value]) => (value === null ? [] : [[key, value]])),
    );
    return {
      body: {
        name: read.text('name') ?? '',
        scopes: [...(read.list('scope') ?? [])],
        ...(quota ? { quota } : {}),
        ...(expiresInMs === undefined ? {} : { expiresInMs }),
        ...(read.text('owner') === undefined ? {} : { owner: read.text('owner') ?? null }),
        ...(Object.keys(labels).length === 0 ? {} : { labels }),
        ...(read.list('route') === undefined ? {} : { routes: [...(read.list('route') ?? [])] }),
        ...(read.list('cidr') === undefined ? {} : { cidrs: [...(read.list('cidr') ?? [])] }),
        ...(requestBudget === undefined ? {} : { requestBudget }),
        ...withPolicy(readPolicy(read)),
        ...(read.on('signing') ? { signing: { algorithm: 'hmac-sha256' as const } } : {}),
      },
      ...(signingKey === undefined ? {} : { signingKey }),
      ...readSinkOptions(read),
    };
  },
  run: async (options, needs) => {
    const { signingKey } = options;
    const body: Options['body'] =
      signingKey === undefined
        ? options.body
        : {
            ...options.body,
            signing: { algorithm: 'ed25519', publicKey: readPublicKey(await needs.files.readText(signingKey), signingKey) },
          };
    const place = await prepared(options, needs);
    const { answer, secret, delivered } = await mintInto(
      place,
      () => needs.admin.call('keysGenerate', { body, mints: 'once', ...writing(needs.waiting, needs.settings) }),
      (issued) => ({ secret: issued.secret, name: issued.key.name }),
      needs,
      (issued) =>
        `The key exists, its secret is lost. A new one: fluxctl keys rotate ${issued.key.name} --grace 0s --yes --secret-to …`,
    );
    return { ...(await converged(answer, needs)), secret, delivered };
  },
  show: (issued, { body, signingKey }, { nowMs, settings }) => {
    const { key } = issued;
    const landed = landing(issued.convergence, issued.revision);
    const facts = [
      `scope ${showList(key.scopes, 'none')}`,
      quotaText(key.quota),
      expiresText(key.expiresAt, nowMs),
      ...(landed.text === null ? [] : [landed.text]),
    ];
    const names = [key.id];
    if (settings.dryRun)
      return {
        view: none,
        names,
        before: [plain(`dry run: would make key ${key.name}; nothing was made`), plain(`  ${facts.join(' · ')}`)],
      };
    if (issued.replayed)
      return {
        view: none,
        names,
        exit: EXIT.conflict,
        before: [
          warn(`replayed: key ${key.name} was already made by this request; its secret was given then and is not kept (exit 7)`),
          plain(`  A new secret for it: fluxctl keys rotate ${key.name} --grace 0s --yes`),
        ],
      };
    const signs =
      body.signing === undefined && signingKey === undefined
        ? []
        : [plain(`  signs requests: keyid ${key.versions.at(-1)?.kid ?? ''}   Try: fluxctl sign GET URL --key-file …`)];
    const before = [done(`Key created   ${key.id}   ${key.name}`), plain(`  ${facts.join(' · ')}`), ...signs, ...landed.lines];
    if (issued.delivered !== null)
      return { view: none, names, before: [...before, plain(`  secret delivered (${issued.delivered})`)], exit: landed.exit };
    return {
      view: text(issued.secret ?? ''),
      names,
      before: [...before, plain('')],
      after: [plain(''), dim(`Not shown again. In scripts: --secret-to file:PATH   Rotate: fluxctl keys rotate ${key.name}`)],
      exit: landed.exit,
      holdsSecret: true,
    };
  },
});

function withPolicy(rotation: RotationPolicy | null): { rotation?: RotationPolicy } {
  return rotation === null ? {} : { rotation };
}
