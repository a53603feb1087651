import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Files } from './command.ts';
import { usage } from './failure.ts';
import type { Host } from './host.ts';
import { codeOf } from './local/lock.ts';

const STDIN_BYTES_MAX = 8 * 1024 * 1024;
const isYaml = (name: string): boolean => /\.ya?ml$/i.test(name) && !name.startsWith('.');

const unreadable = (path: string, error: unknown) => {
  const code = codeOf(error);
  const why =
    code === 'ENOENT'
      ? 'it does not exist'
      : code === 'EACCES'
        ? 'no permission'
        : code === 'EISDIR'
          ? 'it is a directory'
          : String(code);
  return usage(`cannot read ${path}: ${why}`, { code: 'file_unreadable' });
};

export function filesOf(host: Host): Files {
  const at = (path: string): string => resolve(host.cwd, path);
  const readText = async (path: string): Promise<string> => {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(at(path)));
    } catch (error) {
      if (error instanceof TypeError) throw usage(`cannot read ${path}: it is not UTF-8 text`, { code: 'file_unreadable' });
      throw unreadable(path, error);
    }
  };
  const readBytes = async (path: string): Promise<Uint8Array> => {
    try {
      return await readFile(at(path));
    } catch (error) {
      throw unreadable(path, error);
    }
  };
  const readStdin = async (): Promise<string> => {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of host.stdin) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      size += bytes.length;
      if (size > STDIN_BYTES_MAX) throw usage('stdin is larger than 8 MiB');
      chunks.push(bytes);
    }
    return Buffer.concat(chunks).toString('utf8');
  };
  const below = async (path: string): Promise<string[]> => {
    const entries = await readdir(at(path), { withFileTypes: true });
    const found: string[] = [];
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory() && !entry.name.startsWith('.')) found.push(...(await below(join(path, entry.name))));
      else if (isYaml(entry.name)) found.push(join(path, entry.name));
    }
    return found;
  };
  return {
    readText,
    readBytes,
    readStdin,
    configFiles: async (paths) => {
      const files: { name: string; text: string }[] = [];
      for (const path of paths) {
        if (path === '-') {
          files.push({ name: '<stdin>', text: await readStdin() });
          continue;
        }
        const isDirectory = await stat(at(path)).then(
          (found) => found.isDirectory(),
          (error: unknown) => {
            throw unreadable(path, error);
          },
        );
        const names = isDirectory ? await below(path) : [path];
        if (names.length === 0) throw usage(`${path} holds no .yaml file`, { code: 'no_files' });
        for (const name of names) files.push({ name, text: await readText(name) });
      }
      return files;
    },
  };
}
