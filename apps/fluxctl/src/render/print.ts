import type { Writable } from 'node:stream';
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

/** Writes and waits until the stream took it. false: the reader is gone (closed pipe). */
export function write(stream: Writable, text: string): Promise<boolean> {
  if (text === '') return Promise.resolve(true);
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED' ? resolve(false) : reject(error);
    stream.once('error', failed);
    stream.write(text, (error) => {
      if (error) failed(error);
      else {
        stream.removeListener('error', failed);
        resolve(true);
      }
    });
  });
}
