import { type Admin, connectAdmin, Withheld } from './client.ts';
import type { Needs } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { Failure, usage } from './failure.ts';
import { filesOf } from './files.ts';
import type { Host } from './host.ts';
import { openJournal } from './local/journal.ts';
import { openStore } from './local/store.ts';
import type { Located } from './locate.ts';
import { isLoopback } from './loopback.ts';
import { maskLines } from './mask.ts';
import { completed } from './missing.ts';
import { type Line, plain, type Shown, text, warn } from './outcome.ts';
import { parse } from './parse.ts';
import { promptOf } from './prompt.ts';
import { readerOf } from './reader.ts';
import { stdoutText } from './render/print.ts';
import { styleFor } from './render/style.ts';
import { write } from './render/write.ts';
import { isMachine, readSettings, type Settings } from './settings.ts';
import { sinksOf } from './sink.ts';
import { GLOBAL_FLAGS } from './specs/globals.ts';
import type { CommandSpec } from './specs/types.ts';
import { didYouMean } from './suggest.ts';
import { resolveTarget, type Target } from './target.ts';
import { showDuration } from './units.ts';
import { VERSION } from './version.ts';
import { waitingOf } from './waiting.ts';
import type { Wire } from './wire.ts';

const REQUEST_MS = 30_000;

function checkChoices(spec: CommandSpec, flags: Readonly<Record<string, unknown>>): void {
  for (const flag of [...(spec.flags ?? []), ...GLOBAL_FLAGS]) {
    const value = flags[flag.long];
    if (flag.choices === undefined || typeof value !== 'string' || flag.choices.includes(value)) continue;
    throw usage(`--${flag.long}: ${value} is not one of ${flag.choices.join(', ')}`, {
      code: 'invalid_value',
      field: `--${flag.long}`,
      hint: didYouMean(value, flag.choices),
    });
  }
}

/** Warns when a token would cross a network in clear. */
function plainHttpWarning(target: Target): Line | null {
  const url = new URL(target.server);
  return url.protocol === 'http:' && !isLoopback(url)
    ? warn(`${target.server} is not encrypted: the token can be read on the way`)
    : null;
}

/** Loads, runs and prints one command. Failures are thrown. */
export async function execute(located: Located, host: Host): Promise<ExitCode> {
  if (located.spec === null) {
    await write(
      host.stdout,
      `fluxctl ${VERSION}
`,
    );
    return EXIT.done;
  }
  const { spec } = located;
  const typed = parse(spec, located.rest);
  checkChoices(spec, typed.flags);
  const settings = readSettings(typed, host);
  const prompt = promptOf(host, settings);
  const parsed = await completed(spec, located.rest, typed, prompt);
  checkChoices(spec, parsed.flags);
  const command = COMMANDS[spec.path.join(' ')];
  if (command === undefined) throw new Error(`no run code for ${spec.path.join(' ')}`);
  const reader = readerOf(parsed, host.nowMs());
  const options = command.options(reader);
  const wrong = reader.failure();
  if (wrong !== null) throw wrong;

  const style = await styleFor(host.stderr, settings, host);
  // Talk keeps its order: each line is handed to the stream before the next one.
  const say = (lines: readonly Line[]): Promise<boolean> => {
    const wanted = settings.quiet ? lines.filter((line) => line.tone === 'fail') : lines;
    return write(host.stderr, wanted.map((line) => `${style.line(line)}\n`).join(''));
  };
  const session = openSession(host, settings, say);
  const context = { nowMs: host.nowMs(), settings, waiting: waitingOf(settings) };
  try {
    const needs: Needs = {
      ...session,
      prompt,
      sinks: sinksOf(host),
      settings,
      waiting: context.waiting,
      files: filesOf(host),
      now: host.nowMs,
      sleep: (ms) => host.sleep(ms, host.signal),
      mask: async (secret) => {
        await write(host.stderr, maskLines([secret], host));
      },
      say: (line) => {
        if (!isMachine(settings)) void say([line]);
      },
      host,
    };
    const data = await command.run(options, needs);
    const exit = await print(data, command.show(data, options, { ...context, nowMs: host.nowMs() }), settings, host, say);
    await session.settle();
    return exit;
  } catch (error) {
    if (!(error instanceof Withheld)) throw error;
    const { method, url, body } = error.request;
    const shown: Shown = {
      view: text(body === null ? '' : JSON.stringify(body, null, 2)),
      names: [],
      before: [plain(`dry run: would send ${method} ${url}; nothing was sent`)],
    };
    return print({ dryRun: true, request: error.request }, shown, settings, host, say);
  } finally {
    await session.close();
  }
}

/** stdout gets the document, stderr the talk around it; machine formats come without talk. */
async function print(
  data: unknown,
  shown: Shown,
  settings: Settings,
  host: Host,
  say: (lines: readonly Line[]) => Promise<boolean>,
): Promise<ExitCode> {
  const machine = isMachine(settings);
  const out = await styleFor(host.stdout, settings, host);
  const document = await stdoutText(data, shown, settings, out.title);
  if (!machine) await say(shown.before ?? []);
  const taken = await write(host.stdout, document);
  if (!taken && shown.holdsSecret)
    throw new Failure({
      code: 'secret_not_delivered',
      exit: EXIT.failed,
      message: 'stdout was closed before it took the secret: it is lost',
      hint: 'For a key: fluxctl keys rotate NAME --reissue, or --grace 0s --yes',
    });
  if (!machine) await say(shown.after ?? []);
  return shown.exit ?? EXIT.done;
}

/** Target, client and journal of one run; nothing is resolved, read or connected before it is asked for. */
function openSession(host: Host, settings: Settings, say: (lines: readonly Line[]) => Promise<boolean>) {
  const store = openStore(host);
  const journal = openJournal(host);
  const minted: string[] = [];
  let target: Promise<Target> | null = null;
  let wire: Promise<Wire> | null = null;
  let told = false;
  const resolved = async (): Promise<Target> => {
    const found = await resolveTarget(settings, host, store);
    const warning = plainHttpWarning(found);
    if (warning !== null && !isMachine(settings)) await say([warning]);
    if (settings.verbose) await say([plain(`server ${found.server}, token from ${found.tokenSource}`)]);
    return found;
  };
  const targetOnce = (): Promise<Target> => {
    target ??= resolved();
    return target;
  };
  const admin: Admin = connectAdmin({
    host,
    target: targetOnce,
    wire: async () => {
      wire ??= import('./wire.ts').then(({ openWire }) => openWire(host));
      return wire;
    },
    journal,
    version: VERSION,
    deadlineMs: settings.timeoutMs ?? REQUEST_MS,
    dryRun: settings.dryRun,
    beforeWrite: (found) => {
      if (told || isMachine(settings)) return;
      told = true;
      void say([plain(found.context === null ? `server ${found.server}` : `context ${found.context} (${found.server})`)]);
    },
    debug: (line) => {
      if (settings.debug) void write(host.stderr, `debug: ${line}\n`);
    },
    stillWaiting: () => {
      if (!isMachine(settings))
        void say([plain(`waiting for the nodes (--timeout ${showDuration(waitingOf(settings).timeoutMs)})`)]);
    },
    minted,
  });
  return {
    store,
    admin,
    target: targetOnce,
    settle: async () => {
      for (const key of minted) await journal.settle(key);
    },
    close: async () => {
      if (wire !== null) await (await wire).close();
    },
  };
}
