/**
 * Proves the directions of imports: follows every import of each room's source (tests left out) and fails with the chain
 * when a room reaches what it must not. `pnpm walls`, also in .ci/run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');

interface Wall {
  readonly room: string;
  /** Import specifiers the room may reach, directly or through other rooms; everything else is a breach. */
  readonly mayReach: readonly RegExp[];
  /** The sentence of DESIGN that a breach breaks. */
  readonly because: string;
}

const walls: readonly Wall[] = [
  { room: 'packages/policy', mayReach: [], because: 'policy DECIDES. Pure: no node:*, no npm package, no other room.' },
  {
    room: 'packages/protocol',
    mayReach: [/^@fluxgate\/policy$/, /^(zod|yaml)$/, /^node:crypto$/],
    because: 'protocol SPEAKS -> policy.',
  },
  {
    room: 'packages/stores',
    mayReach: [
      /^@fluxgate\/policy$/,
      /^node:/,
      /^@prisma\//,
      /^pglite-prisma-adapter$/,
      /^@electric-sql\/pglite/,
      /^pg$/,
      /^ioredis$/,
    ],
    because: 'stores REMEMBER -> policy.',
  },
  {
    room: 'apps/gateway',
    mayReach: [
      /^@fluxgate\/policy$/,
      /^@fluxgate\/protocol\/(sync|settings)$/,
      /^@fluxgate\/stores(\/(redis|memory))?$/,
      /^node:/,
      /^(ws|pino|prom-client|zod|yaml|ioredis)$/,
    ],
    because: 'gateway SERVES -> policy, protocol/{sync,settings}, stores/{redis,memory}; never postgres.',
  },
  {
    room: 'apps/control-plane',
    mayReach: [
      /^@fluxgate\/(policy|protocol|stores)(\/|$)/,
      /^node:/,
      /^(express|ws|pino|prom-client|zod|yaml|ioredis|pg)$/,
      /^@prisma\//,
      /^pglite-prisma-adapter$/,
      /^@electric-sql\/pglite/,
    ],
    because: 'control-plane GOVERNS -> policy, protocol, stores.',
  },
  {
    room: 'apps/fluxctl',
    mayReach: [
      /^@fluxgate\/policy$/,
      /^@fluxgate\/protocol\/(admin|config)$/,
      /^node:/,
      /^(commander|undici|chalk|cli-table3|yaml|zod)$/,
      /^@inquirer\//,
    ],
    because: 'fluxctl COMMANDS -> policy, protocol/admin, and protocol/config for the offline validate.',
  },
  { room: 'apps/standalone', mayReach: [/^node:/], because: 'standalone COMPOSES: starts processes; imports neither.' },
];

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? '');
}

function* sources(dir: string): Generator<string> {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory() && entry.name !== 'generated' && entry.name !== 'suites') yield* sources(path);
    else if (entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.test.ts')) yield path;
  }
}

/** `@fluxgate/x/y` → the source file its package exports. */
function workspaceFile(specifier: string): string | null {
  const [, name, ...rest] = specifier.split('/');
  for (const group of ['packages', 'apps']) {
    const manifest = join(root, group, name ?? '', 'package.json');
    if (!existsSync(manifest)) continue;
    const { exports = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports?: Record<string, string> };
    const target = exports[rest.length === 0 ? '.' : `./${rest.join('/')}`];
    return target === undefined ? null : join(root, group, name ?? '', target);
  }
  return null;
}

const breaches: string[] = [];
for (const wall of walls) {
  const dir = join(root, wall.room);
  const from = new Map<string, string | null>();
  const queue: string[] = [];
  for (const file of sources(join(dir, 'src'))) {
    from.set(file, null);
    queue.push(file);
  }
  const chain = (file: string): string => {
    const links: string[] = [];
    for (let at: string | null | undefined = file; at != null; at = from.get(at)) links.unshift(relative(root, at));
    return links.join(' → ');
  };
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    const inRoom = file.startsWith(dir);
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('.')) {
        const target = join(dirname(file), specifier);
        if (inRoom && !target.startsWith(dir))
          breaches.push(`${chain(file)} → ${specifier}: leaves its room by a relative path.\n    ${wall.because}`);
        if (existsSync(target) && !from.has(target)) {
          from.set(target, file);
          queue.push(target);
        }
        continue;
      }
      const allowed = wall.mayReach.some((pattern) => pattern.test(specifier));
      if (!allowed) breaches.push(`${chain(file)} → ${specifier}\n    ${wall.because}`);
      const target = specifier.startsWith('@fluxgate/') ? workspaceFile(specifier) : null;
      if (target !== null && existsSync(target) && !from.has(target)) {
        from.set(target, file);
        queue.push(target);
      }
    }
  }
}

const unnamed = ['packages', 'apps', 'scripts'].flatMap((dir) =>
  [...sources(join(root, dir))].filter(
    (file) =>
      !/node_modules|\/dist\//.test(file) &&
      /(^|\/)(utils?|helpers?|common|shared|misc)(\.[a-z.]+|\/)/.test(relative(root, file)),
  ),
);
for (const file of unnamed) breaches.push(`${relative(root, file)}: a room or file without a name of its own.`);

if (breaches.length > 0) {
  console.error(`walls: ${breaches.length} breached\n${[...new Set(breaches)].map((text) => `  ${text}`).join('\n')}`);
  process.exitCode = 1;
} else {
  console.log(`walls: ${walls.length} rooms, every import points downwards`);
}
