/** `npm start`: install, build, run everything on this machine. */
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, requireNode, root, runNode24 } from './bootstrap.mjs';

requireNode();
ensureInstalled();
ensureBuilt();
process.exitCode = await runNode24(
  ['--disable-warning=ExperimentalWarning', join(root, 'apps', 'standalone', 'dist', 'main.js'), ...process.argv.slice(2)],
  {
    FLUXGATE_HOME: root,
  },
);
