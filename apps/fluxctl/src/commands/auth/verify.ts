import type { VerifyReport, VerifyRequest } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, fail, gridView, type Line, plain } from '../../outcome.ts';

export const verify = command<VerifyRequest, VerifyReport, Pick<Needs, 'admin' | 'waiting'>>({
  options: (read) => ({
    endpoint: read.text('endpoint') ?? '',
    mode: (read.text('mode') as VerifyRequest['mode'] | undefined) ?? 'standard',
    method: (read.text('method') ?? 'GET').toUpperCase(),
    host: read.text('host') ?? null,
  }),
  run: (body, { admin, waiting }) => admin.call('authVerify', { body, deadlineMs: waiting.timeoutMs + 15_000 }),
  show: (report) => {
    const { pass, warn: warned, fail: failed, notRun } = report.summary;
    const remedies: Line[] = report.checks.flatMap((check) =>
      check.remedy !== null && check.status !== 'pass' ? [plain(`${check.id}: ${check.remedy}`)] : [],
    );
    const says = report.mode !== 'report' && report.result === 'fail';
    const counts = [
      `${pass} passed`,
      `${failed} failed`,
      ...(warned > 0 ? [`${warned} warned`] : []),
      ...(notRun > 0 ? [`${notRun} could not run`] : []),
    ].join(', ');
    const text = `${report.mode}: ${counts}${says ? ' (exit 3)' : ''}`;
    return {
      view: gridView(report.checks, [
        { title: 'CHECK', text: (check) => check.id },
        { title: 'STATUS', text: (check) => check.status },
        { title: 'NODE', text: (check) => check.node ?? '-' },
        { title: 'TITLE', text: (check) => check.title, wide: true },
        { title: 'DETAIL', text: (check) => check.detail },
      ]),
      names: [report.result],
      before: [plain(`${report.endpoint} at revision ${report.revision}`)],
      after: [...remedies, says ? fail(text) : report.result === 'pass' ? done(text) : plain(text)],
      exit: says ? EXIT.saysNo : EXIT.done,
    };
  },
});
