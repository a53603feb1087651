import { command, type Needs } from '../command.ts';
import { usage } from '../failure.ts';
import { envText } from '../host.ts';
import { raw } from '../outcome.ts';
import { readSigningKey } from '../signing/keyFile.ts';
import { type SignedRequest, signRequest } from '../signing/signRequest.ts';

interface Options {
  readonly method: string;
  readonly url: string;
  readonly data: { readonly file: string } | { readonly text: string } | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly keyFile: string | null;
  readonly kid: string | null;
  readonly expiresInMs: number | null;
  readonly lines: boolean;
}

const NONCE_BYTES = 18;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const shellWord = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Nothing is sent: the headers are printed, for curl or any other client. */
export const sign = command<Options, SignedRequest, Pick<Needs, 'files' | 'host' | 'now'>>({
  options: (read) => {
    const file = read.text('data');
    const text = read.text('data-string');
    if (file !== undefined && text !== undefined) read.wrong('data-string', 'contradicts --data', 'leave one of the two out');
    if (file !== undefined && !/^@./.test(file))
      read.wrong('data', `${file} names no file`, 'write --data @FILE; a text itself: --data-string TEXT');
    const headers = (read.list('header') ?? []).map((line): readonly [string, string] => {
      const found = FIELD.exec(line);
      if (found === null) read.wrong('header', `${line} is not a header`, "write -H 'Name: value'");
      return [found?.[1] ?? '', found?.[2] ?? ''];
    });
    return {
      method: read.args[0] ?? '',
      url: read.args[1] ?? '',
      data: file !== undefined ? { file: file.slice(1) } : text !== undefined ? { text } : null,
      headers,
      keyFile: read.text('key-file') ?? null,
      kid: read.text('key-id') ?? null,
      expiresInMs: read.durationMs('expires-in') ?? null,
      lines: read.on('lines'),
    };
  },
  run: async (options, { files, host, now }) => {
    const keyFile = options.keyFile ?? envText(host, 'FLUXCTL_SIGNING_KEY_FILE');
    if (keyFile === undefined)
      throw usage('nothing to sign with', {
        code: 'missing_input',
        field: '--key-file',
        hint: 'Write --key-file FILE, or set FLUXCTL_SIGNING_KEY_FILE. Made by: fluxctl keys generate --signing --secret-to file:FILE',
      });
    const key = readSigningKey(await files.readText(keyFile), keyFile, options.kid);
    const { data } = options;
    const body = data === null ? null : 'file' in data ? await files.readBytes(data.file) : Buffer.from(data.text, 'utf8');
    const createdS = Math.floor(now() / 1000);
    return signRequest({
      method: options.method,
      url: options.url,
      body,
      headers: options.headers,
      key,
      createdS,
      expiresS: options.expiresInMs === null ? null : createdS + Math.ceil(options.expiresInMs / 1000),
      nonce: Buffer.from(host.randomBytes(NONCE_BYTES)).toString('base64url'),
    });
  },
  show: ({ headers }, { lines }) => {
    const fields = headers.map(([name, value]) => `${name}: ${value}`);
    const text = lines ? fields.join('\n') : fields.map((field) => `-H ${shellWord(field)}`).join(' ');
    return { view: raw(`${text}\n`), names: [] };
  },
});
