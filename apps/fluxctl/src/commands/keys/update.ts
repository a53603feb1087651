import type { BodyOf, RotationPolicy, WrittenKey } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { usage } from '../../failure.ts';
import { done, plain } from '../../outcome.ts';
import type { Reader } from '../../reader.ts';
import { converged, landing, writing } from '../../waiting.ts';
import { keySheet } from './views.ts';

type Body = NonNullable<BodyOf<'keysUpdate'>>;
interface Options {
  readonly key: string;
  readonly body: Body;
  /** These need the present state of the key. */
  readonly addScopes: readonly string[];
  readonly removeScopes: readonly string[];
  readonly labels: Readonly<Record<string, string | null>>;
  readonly rotation: Partial<RotationPolicy> | null;
}

const anyOr = (words: readonly string[] | undefined): string[] | null | undefined =>
  words === undefined ? undefined : words.length === 1 && words[0] === 'any' ? null : [...words];

function readRotation(read: Reader): Partial<RotationPolicy> | null {
  if (read.text('rotate-every') === 'never') return null;
  const everyMs = read.durationMs('rotate-every');
  const graceMs = read.durationMs('rotate-grace');
  const deliver = read.text('deliver');
  return {
    ...(everyMs === undefined ? {} : { everyMs }),
    ...(graceMs === undefined ? {} : { graceMs }),
    ...(deliver === undefined ? {} : { deliver: deliver === 'none' ? null : deliver }),
  };
}

export const update = command<Options, WrittenKey, Pick<Needs, 'admin' | 'settings' | 'waiting' | 'now' | 'sleep'>>({
  options: (read) => {
    const quota = read.quota('quota');
    const requestBudget = read.countOrUnlimited('budget');
    const owner = read.text('owner');
    const scopes = read.list('scope');
    const routes = anyOr(read.list('route'));
    const cidrs = anyOr(read.list('cidr'));
    if (read.on('suspend') && read.on('resume')) read.wrong('resume', 'contradicts --suspend');
    if (scopes !== undefined && (read.list('add-scope') ?? read.list('remove-scope')) !== undefined)
      read.wrong('scope', 'replaces the scopes and contradicts --add-scope and --remove-scope');
    const rotation = readRotation(read);
    const options: Options = {
      key: read.args[0] ?? '',
      body: {
        ...(scopes === undefined ? {} : { scopes: [...scopes] }),
        ...(quota === undefined ? {} : { quota }),
        ...(requestBudget === undefined ? {} : { requestBudget }),
        ...(owner === undefined ? {} : { owner: owner === '' ? null : owner }),
        ...(routes === undefined ? {} : { routes }),
        ...(cidrs === undefined ? {} : { cidrs }),
        ...(rotation === null ? { rotation: null } : {}),
        ...(read.on('suspend') ? { suspended: true } : read.on('resume') ? { suspended: false } : {}),
      },
      addScopes: read.list('add-scope') ?? [],
      removeScopes: read.list('remove-scope') ?? [],
      labels: read.pairs('label') ?? {},
      rotation,
    };
    return options;
  },
  run: async (options, needs) => {
    const { key, addScopes, removeScopes, labels, rotation } = options;
    let body = options.body;
    const partial = rotation !== null && Object.keys(rotation).length > 0;
    if (addScopes.length + removeScopes.length + Object.keys(labels).length > 0 || partial) {
      const now = await needs.admin.call('keysGet', { path: { key } });
      if (addScopes.length + removeScopes.length > 0)
        body = { ...body, scopes: [...new Set([...now.scopes, ...addScopes])].filter((scope) => !removeScopes.includes(scope)) };
      if (Object.keys(labels).length > 0) {
        const merged = { ...now.labels, ...labels };
        body = {
          ...body,
          labels: Object.fromEntries(Object.entries(merged).flatMap(([name, value]) => (value === null ? [] : [[name, value]]))),
        };
      }
      if (partial) {
        const everyMs = rotation.everyMs ?? now.rotation?.everyMs;
        if (everyMs === undefined)
          throw usage(`${now.name} has no rotation policy yet`, { field: '--rotate-every', hint: 'Add --rotate-every 60d' });
        body = { ...body, rotation: { graceMs: 86_400_000, deliver: null, ...now.rotation, ...rotation, everyMs } };
      }
    }
    if (Object.keys(body).length === 0) throw usage('nothing to change was given', { hint: 'See: fluxctl keys update --help' });
    return converged(
      await needs.admin.call('keysUpdate', { path: { key }, body, ...writing(needs.waiting, needs.settings) }),
      needs,
    );
  },
  show: (written, _options, { nowMs, settings }) => {
    const landed = landing(written.convergence, written.revision);
    return {
      view: keySheet(written.key, nowMs),
      names: [written.key.id],
      before: settings.dryRun
        ? [plain(`dry run: ${written.key.name} would look like this; nothing was changed`)]
        : [done(`${written.key.name} updated${landed.text === null ? '' : ` · ${landed.text}`}`), ...landed.lines],
      exit: landed.exit,
    };
  },
});
