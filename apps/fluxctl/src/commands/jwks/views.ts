import type { JwksOnNodes, JwksSet } from '@fluxgate/protocol/admin';
import { EXIT } from '../../exit.ts';
import { type Column, fail, gridView, type Line, plain, type Shown, warn } from '../../outcome.ts';
import { showDistance } from '../../units.ts';

interface Row extends JwksSet {
  readonly node: string;
}

const columns = (nowMs: number): readonly Column<Row>[] => [
  { title: 'NODE', text: (row) => row.node },
  { title: 'ISSUER', text: (row) => row.issuer },
  { title: 'STATE', text: (row) => row.state },
  { title: 'KEYS', text: (row) => String(row.keys.length) },
  { title: 'FETCHED', text: (row) => (row.fetched_at === null ? 'never' : `${showDistance(row.fetched_at, nowMs)} ago`) },
  { title: 'TROUBLE', text: (row) => row.trouble ?? '-' },
  { title: 'KIDS', text: (row) => row.keys.map((key) => key.kid ?? '(none)').join(' ') || '-', wide: true },
  { title: 'BLOCKED', text: (row) => row.blocked.join(' ') || '-', wide: true },
  {
    title: 'IGNORED',
    text: (row) => row.ignored.map((one) => `${one.kid ?? '(none)'}: ${one.why}`).join('; ') || '-',
    wide: true,
  },
  { title: 'NEXT', text: (row) => row.next_fetch_at ?? '-', wide: true },
  { title: 'USABLE UNTIL', text: (row) => row.usable_until ?? '-', wide: true },
  { title: 'JWKS', text: (row) => row.jwks_uri ?? '-', wide: true },
];

/** Rows of all nodes; what a node could not do, and which were not asked, is said and told by the exit code. */
export function showNodes(result: JwksOnNodes, nowMs: number, before: readonly Line[] = []): Shown {
  const rows = result.items.flatMap((one) => one.sets.map((set): Row => ({ ...set, node: one.node })));
  const refused = result.items.filter((one) => !one.ok);
  const unusable = rows.some((row) => row.state === 'expired' || row.state === 'empty');
  const after = [
    ...refused.map((one) => fail(`${one.node}: ${one.why ?? 'failed'}`)),
    ...(result.unreached.length === 0
      ? []
      : [warn(`not asked, they are at another control plane: ${result.unreached.join(', ')}`)]),
    ...(result.items.length === 0 ? [warn('no gateway node is connected')] : []),
    ...(rows.length === 0 && refused.length === 0 && result.items.length > 0
      ? [plain('no route takes tokens of an issuer')]
      : []),
  ];
  const allDone = refused.length === 0 && result.unreached.length === 0;
  const noneDone = refused.length > 0 && refused.length === result.items.length;
  const exit = allDone ? (unusable ? EXIT.saysNo : EXIT.done) : noneDone ? EXIT.failed : EXIT.partly;
  return { view: gridView(rows, columns(nowMs)), names: [...new Set(rows.map((row) => row.issuer))], before, after, exit };
}
