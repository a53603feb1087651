import type { Diagnostic } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, fail, none } from '../../outcome.ts';
import { counted, diagnosticLines } from './diagnostics.ts';

interface Validated {
  readonly valid: boolean;
  readonly files: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  readonly summary: { readonly routes: number; readonly upstreams: number; readonly tiers: number };
}

export const validate = command<{ paths: readonly string[] }, Validated, Pick<Needs, 'files'>>({
  options: (read) => ({ paths: read.list('file') ?? [] }),
  run: async ({ paths }, needs) => {
    const files = await needs.files.configFiles(paths);
    const { diagnose, emptyConfig, mergeConfig, parseConfig } = await import('@fluxgate/protocol/config');
    const parsed = parseConfig(files);
    const config = mergeConfig(emptyConfig(), parsed.input);
    const diagnostics = [...parsed.diagnostics, ...diagnose(config, parsed.positions)];
    return {
      valid: diagnostics.every((one) => one.severity !== 'error'),
      files: files.map((file) => file.name),
      diagnostics,
      summary: { routes: config.routes.length, upstreams: config.upstreams.length, tiers: config.tiers.length },
    };
  },
  show: ({ valid, files, diagnostics, summary }) => {
    const errors = diagnostics.filter((one) => one.severity === 'error').length;
    const warnings = diagnostics.length - errors;
    const lines = diagnosticLines(diagnostics);
    const inFiles = counted(files.length, 'file');
    return {
      view: none,
      names: valid ? files : [],
      before: valid
        ? [
            ...lines,
            done(
              `${inFiles} valid: ${counted(summary.routes, 'route')}, ${counted(summary.upstreams, 'upstream')}, ${counted(summary.tiers, 'tier')}${warnings > 0 ? `; ${counted(warnings, 'warning')}` : ''}`,
            ),
          ]
        : [
            ...lines,
            fail(
              `${counted(errors, 'mistake')} in ${inFiles}${warnings > 0 ? `, ${counted(warnings, 'warning')}` : ''} (exit 2)`,
            ),
          ],
      exit: valid ? EXIT.done : EXIT.usage,
    };
  },
});
