import type { ConfigFiles, ConfigResult } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { Failure } from '../../failure.ts';
import { done, type Line, plain, text } from '../../outcome.ts';
import { converged, landing, writing } from '../../waiting.ts';
import { counted, diagnosticLines } from './diagnostics.ts';

interface Options {
  readonly paths: readonly string[];
  /** Differences found by a dry run get their own exit code. */
  readonly exitCode: boolean;
}
const SIGN = { create: '+', update: '~', delete: '-', unchanged: '=' } as const;
const spelled = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function changeText(change: ConfigResult['changes'][number]): string {
  const head = `${SIGN[change.action]} ${change.kind}/${change.name}`;
  if (change.action !== 'update') return head;
  return [
    head,
    ...change.changes
      .filter((one) => one.path !== '')
      .map(
        (one) =>
          `    ${one.path}: ${one.before === undefined || one.before === null ? '(unset)' : spelled(one.before)} -> ${one.after === undefined || one.after === null ? '(unset)' : spelled(one.after)}`,
      ),
  ].join('\n');
}

export const apply = command<Options, ConfigResult, Pick<Needs, 'admin' | 'files' | 'settings' | 'waiting' | 'now' | 'sleep'>>({
  options: (read) => ({ paths: read.list('file') ?? [], exitCode: read.on('exit-code') }),
  run: async ({ paths }, needs) => {
    const files: ConfigFiles['files'] = await needs.files.configFiles(paths);
    try {
      return await converged(
        await needs.admin.call('configApply', { body: { files }, ...writing(needs.waiting, needs.settings) }),
        needs,
      );
    } catch (error) {
      if (error instanceof Failure && error.details.code === 'config_invalid')
        throw new Failure({
          ...error.details,
          exit: EXIT.usage,
          message: 'the configuration has mistakes; nothing was applied',
          why: null,
          hint: error.details.hint ?? null,
        });
      throw error;
    }
  },
  show: (result, { exitCode }, { settings }) => {
    const changes = result.changes.filter((change) => change.action !== 'unchanged');
    const count = (action: string) => changes.filter((change) => change.action === action).length;
    const summary = `${count('create')} to create, ${count('update')} to change, ${count('delete')} to delete`;
    const landed = landing(result.convergence, result.revision);
    const warnings = diagnosticLines(result.warnings);
    const list = changes.map((change) => `${changeText(change)}\n`).join('');
    const names = changes.map((change) => `${change.kind}/${change.name}`);
    const after: Line[] = [...warnings];
    if (changes.length === 0) after.push(done('no differences; nothing had to change'));
    else if (result.dryRun || settings.dryRun) after.push(plain(`dry run: ${summary}; nothing was applied`));
    else {
      after.push(
        done(
          `revision ${result.revision ?? '-'}: ${counted(changes.length, 'object')} changed${landed.text === null ? '' : ` · ${landed.text}`}`,
        ),
      );
      after.push(...landed.lines);
    }
    return {
      view: text(list),
      names,
      after,
      exit: settings.dryRun && exitCode && changes.length > 0 ? EXIT.differences : landed.exit,
    };
  },
});
