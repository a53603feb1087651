/**
 * `pnpm bench gateway|jwt|soak [--quick] [--cases a,b] [--peers a,b] [--rounds N] [--seconds N]`: named benchmarks, each beside its peers in
 * one run. Tables go to the terminal; JSON, text and SVG into bench/results/, but for `--quick`: one short round, to see that it runs.
 */
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
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    idle: { type: 'string' },
    results: { type: 'string' },
  },
});
const standard = values.quick ? null : join(import.meta.dirname, '..', 'bench', 'results');
const results = values.results ?? standard;
const list = (text: string | undefined): string[] | null => text?.split(',') ?? null;
const given = (text: string | undefined, otherwise: number): number => (text === undefined ? otherwise : Number(text));
const rounds = values.quick ? 1 : given(values.rounds, 3);
const seconds = values.quick ? 1 : given(values.seconds, 3);

switch (positionals[0]) {
  case 'gateway':
    await runGatewayBench({
      cases: list(values.cases),
      peers: list(values.peers),
      quick: values.quick,
      rounds,
      seconds,
      idle: given(values.idle, values.quick ? 2000 : 10_000),
      results,
    });
    break;
  case 'jwt':
    await runJwtBench({ cases: list(values.cases), rounds, seconds, results });
    break;
  case 'soak':
    console.log(await runSoak(given(values.seconds, values.quick ? 5 : 120), 500, 20_261_121));
    break;
  default:
    console.error(
      'usage: pnpm bench gateway | jwt | soak [--quick] [--cases a,b] [--peers a,b] [--rounds N] [--seconds N] [--idle N] [--results DIR]',
    );
    process.exitCode = 2;
}
