import type { Shown } from '../outcome.ts';
import type { Settings } from '../settings.ts';
import { fieldText } from './field.ts';
import { jsonText } from './json.ts';
import { tableText } from './table.ts';
import { yamlText } from './yaml.ts';

/** What stdout gets, in the format asked for. */
export async function stdoutText(
  data: unknown,
  shown: Shown,
  settings: Settings,
  title: (text: string) => string,
): Promise<string> {
  if (settings.field !== null) return fieldText(data, settings.field);
  switch (settings.output) {
    case 'json':
      return jsonText(data);
    case 'yaml':
      return yamlText(data);
    case 'name':
      return shown.names.map((name) => `${name}\n`).join('');
    default:
      return tableText(shown.view, { wide: settings.output === 'wide', title });
  }
}
