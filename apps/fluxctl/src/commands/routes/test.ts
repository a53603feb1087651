import type { RouteTest } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, fail, grid, type Line, sheet } from '../../outcome.ts';

const EXPECTABLE = ['route', 'refusal', 'status', 'upstream'] as const;
interface Options {
  readonly method: string;
  readonly url: string;
  readonly host: string | null;
  readonly expect: Readonly<Record<string, string | null>>;
}

const actual = (test: RouteTest, what: string): string =>
  ({
    route: test.route,
    refusal: test.refusal?.code ?? null,
    status: test.refusal === null ? null : String(test.refusal.status),
    upstream: test.upstream,
  })[what] ?? 'none';

export const test = command<Options, RouteTest, Pick<Needs, 'admin'>>({
  options: (read) => {
    const expect = read.pairs('expect') ?? {};
    for (const what of Object.keys(expect))
      if (!(EXPECTABLE as readonly string[]).includes(what))
        read.wrong('expect', `${what} cannot be expected`, `one of ${EXPECTABLE.join(', ')}`);
    return { method: (read.args[0] ?? '').toUpperCase(), url: read.args[1] ?? '', host: read.text('host') ?? null, expect };
  },
  run: ({ method, url, host }, { admin }) => admin.call('routesTest', { body: { method, url, host } }),
  show: (result, { expect }) => {
    const lines: Line[] = Object.entries(expect).map(([what, wanted]) => {
      const found = actual(result, what);
      return found === (wanted ?? 'none')
        ? done(`${what} is ${found}`)
        : fail(`${what} is ${found}, expected ${wanted ?? 'none'}`);
    });
    const failed = lines.some((line) => line.tone === 'fail');
    return {
      names: [result.route ?? 'none'],
      view: sheet(
        [
          ['Request', `${result.method} ${result.url}`],
          ['Path', result.canonicalPath ?? '-'],
          ['Route', result.route ?? 'none'],
          [
            'Refused',
            result.refusal === null ? 'no' : `${result.refusal.status} ${result.refusal.code}: ${result.refusal.detail}`,
          ],
          ['Upstream', result.upstream ?? '-'],
        ],
        [
          grid(result.steps, [
            { title: 'STAGE', text: (step) => step.stage },
            { title: 'VERDICT', text: (step) => step.verdict },
            { title: 'DETAIL', text: (step) => step.detail },
          ]),
          grid(result.others, [
            { title: 'ALSO MATCHES', text: (other) => other.route },
            { title: 'LOST BECAUSE', text: (other) => other.why },
          ]),
        ],
      ),
      after: lines,
      exit: failed ? EXIT.saysNo : EXIT.done,
    };
  },
});
