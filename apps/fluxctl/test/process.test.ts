import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SPECS } from '../src/specs/index.ts';
import { build, fluxctl, LAUNCHER, start, systemNode } from './binary.ts';
import * as fixed from './fixtures.ts';
import { type Replies, type Stub, startStub } from './stub.ts';
import { TOKEN } from './world.ts';

let home: string;
let stub: Stub;
const empty = { json: { items: [], nextCursor: null } };
const many = {
  json: {
    items: Array.from({ length: 100 }, (_, i) => ({ ...fixed.key, id: `key_${i}`, name: `service-${i}` })),
    nextCursor: null,
  },
};
let slow: () => void = () => {};
const replies: Replies = {
  'GET /v1/keys': (seen) => (seen.query['search'] === 'none' ? empty : many),
  'GET /v1/keys/slow': { raw: () => slow() },
  'POST /v1/keys': { status: 201, json: fixed.issued },
  'POST /v1/keys/quick/rotate': { status: 201, json: fixed.rotated },
  'POST /v1/keys/slow/rotate': { raw: () => slow() },
};
beforeAll(async () => {
  build();
  home = mkdtempSync(join(tmpdir(), 'fluxctl-process-'));
  stub = await startStub(replies);
}, 60_000);
afterAll(async () => {
  await stub.close();
  rmSync(home, { recursive: true, force: true });
});
const env = (more: Record<string, string> = {}) => ({ HOME: home, FLUXCTL_SERVER: stub.url, FLUXCTL_TOKEN: TOKEN, ...more });

const run = `"${systemNode()}" "${LAUNCHER}"`;
const bash = (line: string): Promise<{ stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile('bash', ['-c', line], { env: { PATH: process.env['PATH'] ?? '', ...env() } }, (_error, stdout, stderr) =>
      resolve({ stdout, stderr }),
    );
  });

/** Modules that a run loaded: ESM by a hook, CommonJS from the cache. */
async function modulesOf(argv: readonly string[]): Promise<string[]> {
  const log = join(home, `modules-${argv.join('_').replace(/[^a-z-]/g, '')}`);
  const hook = `data:text/javascript,${encodeURIComponent(`export async function load(url, context, next) { process._rawDebug('loaded ' + url); return next(url, context); }`)}`;
  const register = join(home, 'register.mjs');
  writeFileSync(
    register,
    `import { register, createRequire } from 'node:module';\nregister(${JSON.stringify(hook)});\nprocess.on('exit', () => { for (const path of Object.keys(createRequire(import.meta.url).cache)) process._rawDebug('loaded ' + path); });\n`,
  );
  const ran = await fluxctl(argv, env(), { nodeFlags: ['--import', register] });
  writeFileSync(log, ran.stderr);
  return ran.stderr
    .split('\n')
    .filter((line) => line.startsWith('loaded '))
    .map((line) => line.slice(7));
}
const HEAVY = /node_modules[\\/](\.pnpm[\\/])?(undici|yaml|zod|chalk|cli-table3|commander|@inquirer)/;

describe('what a start costs', () => {
  test.each([[['--version']], [['--help']], [['keys', '--help']], [['keys', 'rotate', '--help']], [['help', 'exit-codes']]])(
    '%j loads no library at all',
    async (argv) => {
      expect((await modulesOf(argv)).filter((module) => HEAVY.test(module))).toEqual([]);
    },
  );

  test('--version loads the launcher and nothing of the bundle', async () => {
    expect((await modulesOf(['--version'])).filter((module) => module.includes('/dist/'))).toEqual([]);
  });

  test('a list of keys loads commander and undici, but no YAML, schemas, prompts, colours or wide tables', async () => {
    const loaded = (await modulesOf(['keys', 'list'])).map((module) => module.slice(module.lastIndexOf('node_modules')));
    expect(loaded.some((module) => /undici/.test(module))).toBe(true);
    expect(loaded.filter((module) => /[\\/](yaml|zod|chalk|cli-table3|@inquirer)[@\\/]/.test(module))).toEqual([]);
  });

  test('a stored context is read without the YAML library', async () => {
    await fluxctl(['context', 'add', 'cost', '--server', stub.url, '--use'], { HOME: home });
    expect(
      (await modulesOf(['context', 'show'])).filter((module) =>
        /[\\/]yaml[@\\/]/.test(module.slice(module.lastIndexOf('node_modules'))),
      ),
    ).toEqual([]);
  });
});

test('the launcher says the version that the build says', async () => {
  const quick = await fluxctl(['--version'], env());
  const full = await fluxctl(['version'], env());
  expect([quick.stdout, quick.exit]).toEqual([full.stdout, 0]);
  expect(quick.stdout).toMatch(/^fluxctl \d+\.\d+\.\d+\n$/);
});

test('twenty processes that change the configuration at once lose nothing and leave a whole, private file', async () => {
  const own = { HOME: join(home, 'crowd') };
  const names = Array.from({ length: 20 }, (_, i) => `ctx-${i}`);
  const ran = await Promise.all(
    names.map((name) => fluxctl(['context', 'add', name, '--server', `https://${name}.example`], own)),
  );
  expect(ran.map((one) => one.exit)).toEqual(names.map(() => 0));
  const listed = await fluxctl(['context', 'list', '-o', 'name'], own);
  expect(listed.stdout.trim().split('\n').sort()).toEqual([...names].sort());
  expect(statSync(join(own.HOME, '.config/fluxctl/config.yaml')).mode & 0o777).toBe(0o600);
}, 60_000);

describe('streams and signals', () => {
  test('a reader that closes the pipe ends it quietly', async () => {
    expect(await bash(`${run} keys list -o json | head -c 10; echo "\${PIPESTATUS[0]}"`)).toEqual({
      stdout: '{\n  "items0\n',
      stderr: '',
    });
    expect(await bash(`${run} completion bash | true; echo "\${PIPESTATUS[0]}"`)).toEqual({ stdout: '0\n', stderr: '' });
  });

  test('a secret that stdout did not take is a failure that says so', async () => {
    const { child, finished } = start(['keys', 'generate', '--name', 'a'], env());
    child.stdout?.destroy();
    const ran = await finished;
    expect([ran.exit, ran.stderr]).toEqual([1, expect.stringContaining('it is lost')]);
  });

  test('SIGINT ends with 130 at once and says what may be left behind', async () => {
    const asked = new Promise<void>((resolve) => {
      slow = resolve;
    });
    const { child, finished } = start(['keys', 'rotate', 'slow'], env());
    await asked;
    child.kill('SIGINT');
    const ran = await finished;
    expect([ran.exit, ran.stdout]).toEqual([130, '']);
    expect(ran.stderr).toContain('not made twice');
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });

  test('SIGINT among several keys still hands over the secrets that were made', async () => {
    const asked = new Promise<void>((resolve) => {
      slow = resolve;
    });
    const { child, finished } = start(['keys', 'rotate', 'quick', 'slow', 'third'], env());
    await asked;
    child.kill('SIGINT');
    const ran = await finished;
    expect([ran.exit, ran.stdout]).toEqual([130, `${fixed.key.name}\t${fixed.key.id}\t${fixed.SECRET}\n`]);
    expect(ran.stderr).toContain('slow: interrupted');
  });

  test('SIGTERM ends with 143', async () => {
    const asked = new Promise<void>((resolve) => {
      slow = resolve;
    });
    const { child, finished } = start(['keys', 'get', 'slow'], env());
    await asked;
    child.kill('SIGTERM');
    expect((await finished).exit).toBe(143);
  });

  test('without a terminal nothing is asked: missing input ends with 2 and the completed line', async () => {
    const ran = await fluxctl(['tokens', 'create', '--expiry', '90d'], env(), { stdin: 'ignore' });
    expect([ran.exit, ran.stdout]).toEqual([2, '']);
    expect(ran.stderr).toContain('missing: --name, --role');
    expect(ran.stderr).toContain('fluxctl tokens create --expiry 90d --name NAME --role ROLE');
    expect((await fluxctl(['auth', 'login', '--server', stub.url], { HOME: home }, { stdin: 'ignore' })).exit).toBe(2);
  });

  test('the process list shows no secret while a command runs', async () => {
    const asked = new Promise<void>((resolve) => {
      slow = resolve;
    });
    const { child, finished } = start(['keys', 'get', 'slow'], env());
    await asked;
    if (process.platform === 'linux') expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).not.toContain(TOKEN);
    child.kill('SIGINT');
    await finished;
  });

  test('colours and formats: a pipe gets no escape codes, --color always does', async () => {
    expect((await fluxctl(['keys', 'list'], env())).stdout).not.toContain('\u001b');
    expect((await fluxctl(['keys', 'list', '--color', 'always'], env())).stdout).toContain('\u001b');
    expect((await fluxctl(['keys', 'list', '--search', 'none'], env({ LANG: 'C', LC_ALL: 'C' }))).stderr).toMatch(
      /^[\x20-\x7e\n]*$/,
    );
  });
});

describe('completion', () => {
  const complete = async (...typed: string[]): Promise<string[]> => {
    const words = typed.map((word) => `'${word}'`).join(' ');
    const { stdout, stderr } = await bash(
      `source <(${run} completion bash); COMP_WORDS=(fluxctl ${words}); COMP_CWORD=${typed.length}; _fluxctl; printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
    expect(stderr).toBe('');
    return stdout.trim().split('\n');
  };

  test('knows nouns, verbs, flags and their values', async () => {
    expect(await complete('ke')).toEqual(['keys']);
    expect(await complete('keys', 'ro')).toEqual(['rotate', 'rotations']);
    expect(await complete('-o', 'json', 'keys', 'rotations', 'f')).toEqual(['finish']);
    expect(await complete('keys', 'rotate', 'a', '--re')).toContain('--reissue');
    expect(await complete('auth', 'verify', '--mode', 's')).toEqual(['standard', 'strict']);
    expect(await complete('keys', '-o', 'y')).toEqual(['yaml']);
  });

  test.each(['bash', 'zsh', 'fish', 'powershell'])('is one script for %s that names every command', async (shell) => {
    const { stdout, exit } = await fluxctl(['completion', shell], {});
    expect(exit).toBe(0);
    for (const spec of SPECS) expect(stdout).toContain(spec.path.at(-1));
  });
});

test('help of every command fits 80 columns but for example lines, and holds an example', async () => {
  for (const spec of SPECS.filter((one) => one.path[0] !== 'help')) {
    const { commandHelp } = await import('../src/help.ts');
    const help = commandHelp(spec);
    expect(help).toContain('Examples:');
    const long = help.split('\n').filter((line) => line.length > 80 && !line.includes('fluxctl ') && !line.startsWith('Usage:'));
    expect([spec.path.join(' '), long]).toEqual([spec.path.join(' '), []]);
  }
});
