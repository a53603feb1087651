import { EXIT } from '../exit.ts';
import { Failure } from '../failure.ts';
import { didYouMean } from '../suggest.ts';

/** One raw value of a document by its path, `key.versions.0.kid`: text as it is, anything else as JSON. */
export function fieldText(data: unknown, path: string): string {
  let at: unknown = data;
  for (const part of path.replace(/^\./, '').split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) {
      const known = typeof at === 'object' && at !== null ? Object.keys(at) : [];
      throw new Failure({
        code: 'field_not_found',
        exit: EXIT.usage,
        message: `the answer has no field ${path}`,
        field: '--field',
        hint:
          didYouMean(part, known) ??
          (known.length > 0 ? `Known there: ${known.slice(0, 20).join(', ')}` : 'See the document: -o json'),
      });
    }
    at = (at as Record<string, unknown>)[part];
  }
  return `${typeof at === 'string' ? at : JSON.stringify(at)}\n`;
}
