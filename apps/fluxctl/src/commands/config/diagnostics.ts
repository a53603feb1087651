import type { Diagnostic } from '@fluxgate/protocol/admin';
import { type Line, plain } from '../../outcome.ts';

/** `file:line:column: message`, the remedy below it: editors and CI annotate from the first line. */
export function diagnosticLines(diagnostics: readonly Diagnostic[]): Line[] {
  return diagnostics.flatMap((one) => {
    const place = one.file === '' ? '' : `${one.file}:${one.line}:${one.column}: `;
    const kind = one.severity === 'warning' ? 'warning: ' : '';
    return [plain(`${place}${kind}${one.message}`), ...(one.remedy === null ? [] : [plain(`  ${one.remedy}`)])];
  });
}
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
