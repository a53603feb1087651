import { readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';

export type FileReading = { readonly ok: true; readonly pem: string } | { readonly ok: false; readonly why: string };

/**
 * The node's own TLS files, named by `file:` references of the configuration: relative to one directory, and never outside it, so that
 * whoever may write the configuration cannot make a node read anything else.
 */
export class TlsFiles {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  read(reference: string): FileReading {
    const path = this.#pathOf(reference);
    if (typeof path !== 'string') return path;
    try {
      return { ok: true, pem: readFileSync(path, 'utf8') };
    } catch (error) {
      return { ok: false, why: `${reference} cannot be read (${codeOf(error)})` };
    }
  }

  /**
   * Changes when the file does; empty: it is not there. Symbolic links are followed, as Kubernetes swaps secrets behind one. One cheap
   * call, because it is made every few seconds between requests; whether the file may be read at all is asked by `read`.
   */
  stamp(reference: string): string {
    const name = reference.replace(/^file:/, '');
    try {
      const { dev, ino, size, mtimeMs } = statSync(isAbsolute(name) ? name : join(this.#dir, name));
      return `${dev} ${ino} ${size} ${mtimeMs}`;
    } catch {
      return '';
    }
  }

  #pathOf(reference: string): string | { readonly ok: false; readonly why: string } {
    const name = reference.replace(/^file:/, '');
    try {
      const root = realpathSync(this.#dir);
      const path = realpathSync(isAbsolute(name) ? name : join(root, name));
      if (path === root || path.startsWith(root.endsWith(sep) ? root : root + sep)) return path;
      return { ok: false, why: `${reference} lies outside FLUXGATE_TLS_DIR` };
    } catch (error) {
      return { ok: false, why: `${reference} cannot be read (${codeOf(error)})` };
    }
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown';
