/**
 * `pnpm bench gateway|jwt|soak [--cases a,b] [--peers a,b] [--rounds N] [--seconds N]`: named benchmarks, each beside its peers in one run.
 * Tables go to the terminal; JSON, text and SVG into bench/results/.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runGatewayBench } from '../apps/gateway/bench/gateway.ts';
import { runJwtBench } from '../apps/gateway/bench/jwt.ts';
import { runSoak } from '../apps/gateway/bench/soak.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    idle: { type: 'string', default: '10000' },
  },
});
const results = join(import.meta.dirname, '..', 'bench', 'results');
mkdirSync(results, { recursive: true });
const list = (text: string | undefined): string[] | null => text?.split(',') ?? null;
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

switch (positionals[0]) {
  case 'gateway':
    await runGatewayBench({
      cases: list(values.cases),
      peers: list(values.peers),
      rounds,
      seconds,
      idle: Number(values.idle),
      results,
    });
    break;
  case 'jwt':
    await runJwtBench({ cases: list(values.cases), rounds, seconds, results });
    break;
  case 'soak':
    console.log(await runSoak(seconds, 500, 20_261_121));
    break;
  default:
    console.error('usage: pnpm bench gateway | jwt | soak [--cases a,b] [--peers a,b] [--rounds N] [--seconds N] [--idle N]');
    process.exitCode = 2;
}
