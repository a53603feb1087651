import type { BodyOf, Key, RotatedKey, RotationPolicy } from '@fluxgate/protocol/admin';
import { type Bulk, bulkExit, bulkLines, forEach } from '../../bulk.ts';
import { command, type Needs } from '../../command.ts';
import { EXIT, type ExitCode } from '../../exit.ts';
import { mintInto, prepared, readSinkOptions, type SinkOptions } from '../../handover.ts';
import { dim, done, type Line, none, plain, type Shown, text, warn } from '../../outcome.ts';
import { collect } from '../../paging.ts';
import type { Sink } from '../../sink.ts';
import { showTime } from '../../units.ts';
import { converged, landing, writing } from '../../waiting.ts';

interface Options extends SinkOptions {
  readonly keys: readonly string[];
  readonly graceMs: number | undefined;
  readonly expiresInMs: number | undefined;
  readonly reissue: boolean;
}
/** One key named: its rotation. None or several named: what became of each. */
type Rotated = RotatedKey | (Bulk<RotatedKey> & { readonly due: number | null });
type Wants = Pick<Needs, 'admin' | 'sinks' | 'settings' | 'waiting' | 'prompt' | 'mask' | 'say' | 'now' | 'sleep'>;

/** `file:keys/{name}` gives each key a file of its own. */
const sinkFor = (sink: Sink | null, key: string): Sink | null =>
  sink?.kind === 'file' ? { ...sink, path: sink.path.replaceAll('{name}', key.replace(/[^A-Za-z0-9._-]/g, '_')) } : sink;

async function rotateOne(key: string, policy: RotationPolicy | null, options: Options, needs: Wants): Promise<RotatedKey> {
  const sink = sinkFor(options.sink, key);
  const vault = sink?.kind === 'vault' ? sink.ref : null;
  const byServer = vault !== null || (sink === null && (policy?.deliver ?? null) !== null);
  const place = byServer ? null : await prepared({ sink, force: options.force }, needs);
  const graceMs = options.graceMs ?? policy?.graceMs ?? null;
  const body: BodyOf<'keysRotate'> = {
    ...(graceMs === null ? {} : { graceMs }),
    ...(options.expiresInMs === undefined ? {} : { expiresInMs: options.expiresInMs }),
    ...(options.reissue ? { reissue: true } : {}),
    ...(vault === null ? {} : { deliver: vault }),
  };
  const { answer, secret, delivered } = await mintInto(
    place,
    () =>
      needs.admin.call('keysRotate', {
        path: { key },
        body,
        mints: options.reissue ? 'again' : 'once',
        ...writing(needs.waiting, needs.settings),
      }),
    (rotated) => ({ secret: rotated.secret, name: rotated.key.name }),
    needs,
    (rotated) => `The old version still works. Try again: fluxctl keys rotate ${rotated.key.name} --reissue --secret-to …`,
  );
  return { ...(await converged(answer, needs)), secret, delivered: delivered ?? answer.delivered };
}

async function rotateDue(options: Options, needs: Wants): Promise<Rotated> {
  const due = await collect(Number.POSITIVE_INFINITY, (page) =>
    needs.admin.call('keysList', { query: { ...page, due: 'true' } }),
  );
  if (due.items.length === 0) return { items: [], failed: [], due: 0 };
  if (needs.prompt.interactive && !needs.settings.dryRun) {
    needs.say(plain('due for rotation:'));
    for (const key of due.items) needs.say(plain(`  ${key.name}  (since ${showTime(key.rotationDueAt)})`));
    await needs.prompt.confirm(
      `Rotate ${due.items.length === 1 ? 'it' : `these ${due.items.length}`} now? The old versions stay valid until the grace ends.`,
    );
  }
  const byName = new Map<string, Key>(due.items.map((key) => [key.name, key]));
  const done = await forEach([...byName.keys()], (name) => rotateOne(name, byName.get(name)?.rotation ?? null, options, needs));
  return { ...done, due: due.items.length };
}

function linesOf(rotated: RotatedKey, dryRun: boolean): { lines: Line[]; exit: ExitCode } {
  const { key, rotation } = rotated;
  const landed = landing(rotated.convergence, rotated.revision);
  if (dryRun)
    return {
      lines: [
        plain(
          `dry run: would make version ${rotation.toVersion} of ${key.name}; version ${rotation.fromVersion} until ${showTime(rotation.graceUntil)}`,
        ),
      ],
      exit: EXIT.done,
    };
  if (rotated.replayed)
    return {
      lines: [
        warn(
          `replayed: this request already made version ${rotation.toVersion} of ${key.name}; its secret was given then and is not kept (exit 7)`,
        ),
        plain(`  Lost it? fluxctl keys rotate ${key.name} --reissue`),
      ],
      exit: EXIT.conflict,
    };
  const facts = [
    `rotation ${rotation.id}`,
    `version ${rotation.fromVersion} retires ${showTime(rotation.graceUntil)} unless finished sooner`,
    ...(landed.text === null ? [] : [landed.text]),
  ];
  return {
    lines: [
      done(`${key.name}: version ${rotation.toVersion} created`),
      plain(`  ${facts.join(' · ')}`),
      ...(rotated.delivered === null ? [] : [plain(`  secret delivered (${rotated.delivered})`)]),
      ...landed.lines,
    ],
    exit: landed.exit,
  };
}

export const rotate = command<Options, Rotated, Wants>({
  options: (read) => {
    const sink = readSinkOptions(read);
    if (read.on('reissue') && read.args.length === 0) read.wrong('reissue', 'replaces the secret of a named key', 'name the key');
    if (sink.sink?.kind === 'file' && read.args.length !== 1 && !sink.sink.path.includes('{name}'))
      read.wrong('secret-to', 'several keys do not fit in one file', 'write file:DIR/{name}.key');
    if (sink.sink?.kind === 'vault' && read.args.length !== 1)
      read.wrong('secret-to', 'one place in the vault holds one key', 'name one key');
    return {
      keys: [...new Set(read.args)],
      graceMs: read.durationMs('grace'),
      expiresInMs: read.expiryMs('expiry'),
      reissue: read.on('reissue'),
      ...sink,
    };
  },
  run: async (options, needs) => {
    if (options.graceMs === 0 && !needs.settings.dryRun)
      await needs.prompt.confirm('Without a grace the old version ends at once. Go on?');
    if (options.keys.length === 0) return rotateDue(options, needs);
    if (options.keys.length === 1) return rotateOne(options.keys[0]!, null, options, needs);
    return { ...(await forEach(options.keys, (key) => rotateOne(key, null, options, needs))), due: null };
  },
  show: (result, options, { settings }): Shown => {
    if ('rotation' in result) {
      const { lines, exit } = linesOf(result, settings.dryRun);
      const names = [result.rotation.id];
      if (result.secret === null) return { view: none, names, before: lines, exit };
      const next = dim(
        `Not shown again. In scripts: --secret-to file:PATH   When deployed: fluxctl keys rotations finish ${result.rotation.id} --when-idle 10m`,
      );
      return {
        view: text(result.secret),
        names,
        before: [...lines, plain('')],
        after: [plain(''), next],
        exit,
        holdsSecret: true,
      };
    }
    if (result.due === 0)
      return {
        view: none,
        names: [],
        before: [plain('nothing is due for rotation'), plain('  One key now: fluxctl keys rotate NAME')],
      };
    const each = result.items.map((item) => linesOf(item, settings.dryRun));
    const shown = result.items.filter((item) => item.secret !== null);
    const behind = each.find((one) => one.exit !== EXIT.done)?.exit ?? EXIT.done;
    const hint =
      shown.length > 0 && options.sink === null
        ? [dim('Not shown again: NAME, ID, SECRET. In scripts: --secret-to file:DIR/{name}.key or exec:COMMAND')]
        : [];
    return {
      view: text(shown.map((item) => `${item.key.name}\t${item.key.id}\t${item.secret}\n`).join('')),
      names: result.items.map((item) => item.rotation.id),
      before: each.flatMap((one) => one.lines),
      after: [...hint, ...bulkLines(result)],
      exit: result.failed.length > 0 ? bulkExit(result) : behind,
      holdsSecret: shown.length > 0,
    };
  },
});
