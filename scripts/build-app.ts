/** Bundles one app: workspace packages are inlined, npm packages stay imports. Usage: build-app.ts <app> */
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

const app = process.argv[2];
if (app === undefined) throw new Error('usage: build-app.ts <app>');
const root = join(import.meta.dirname, '..');
const dir = join(root, 'apps', app);
const outdir = join(dir, 'dist');

/** Entry points beside main.ts: files that become threads or processes of their own. */
const entries: Record<string, string[]> = {
  gateway: ['main', 'sync/thread', 'worker/thread', 'services/thread'],
  'control-plane': ['main'],
  fluxctl: ['main'],
  standalone: ['main', 'sample-upstream', 'follow-parent'],
};
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: (entries[app] ?? ['main']).map((name) => ({ in: join(dir, 'src', `${name}.ts`), out: name.replaceAll('/', '-') })),
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: app === 'fluxctl' ? 'node20' : 'node24',
  packages: 'external',
  plugins: [
    {
      // Workspace packages are source, everything else an installed dependency.
      name: 'inline-workspace',
      setup(b) {
        // Not b.resolve(): under packages: 'external' it answers with the bare name.
        b.onResolve({ filter: /^@fluxgate\// }, (args) => ({
          path: createRequire(join(args.resolveDir, 'importer.js')).resolve(args.path),
          sideEffects: false,
        }));
      },
    },
  ],
  sourcemap: 'linked',
  define: { FLUXGATE_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});
