import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { startHouse } from './src/index.ts';

const house = await startHouse({ nodes: 1, workers: 2 });
const up = createServer((q, r) => {
  q.resume();
  r.end(JSON.stringify(q.headers));
}).listen(9000, '127.0.0.1');
up.on('error', (e) => console.log('9000 taken, using it', e.message));
const token = (await import('node:fs')).readFileSync(house.dir + '/bootstrap/admin.token', 'utf8').trim();
const p = spawn(
  process.execPath,
  [
    '/work/shared/corpus/replay/replay-jwt.mjs',
    '--dir',
    process.argv[2] ?? '/work/shared/corpus/jwt-attacks',
    '--gateway-port',
    String(house.nodes[0]!.port),
    '--ctl',
    '/work/main',
    '--yaml',
    '/tmp/jwtwork/replay.yaml',
    '--verbose',
  ],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      FLUXCTL_SERVER: house.adminUrl,
      FLUXCTL_TOKEN: token,
      XDG_CONFIG_HOME: '/tmp/jwtwork',
      HOME: '/tmp/jwtwork',
    },
  },
);
await new Promise((d) => p.on('exit', d));
console.log(
  house.nodes[0]!.process.output()
    .split('\n')
    .filter((l) => /jwks|keys of an issuer|"level":50/.test(l))
    .slice(0, 8)
    .join('\n'),
);
const m = await (await fetch(house.nodes[0]!.statusUrl + '/metrics')).text();
console.log(
  m
    .split('\n')
    .filter((l) => /jwks/.test(l) && !l.startsWith('#'))
    .join('\n'),
);
up.close();
await house.stop();
