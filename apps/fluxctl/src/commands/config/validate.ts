import type { Diagnostic } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { EXIT } from '../../exit.ts';
import { done, fail, text } from '../../outcome.ts';
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
    const inFiles = counted(files.length, 'file');
    const also = warnings > 0 ? `, ${counted(warnings, 'warning')}` : '';
    const found = `${counted(summary.routes, 'route')}, ${counted(summary.upstreams, 'upstream')}, ${counted(summary.tiers, 'tier')}`;
    return {
      view: text(
        diagnosticLines(diagnostics)
          .map((line) => `${line.text}\n`)
          .join(''),
      ),
      names: valid ? files : [],
      after: [
        valid ? done(`${inFiles} valid: ${found}${also}`) : fail(`${counted(errors, 'mistake')} in ${inFiles}${also} (exit 2)`),
      ],
      exit: valid ? EXIT.done : EXIT.usage,
    };
  },
});
