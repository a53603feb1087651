import { fsyncSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

type Init = NodeFS['init'];
interface NodeFsModule {
  readonly NODEFS?: { readonly stream_ops: { fsync?: (stream: { readonly nfd?: number }) => number } };
}

/** WASI errno of a failed write to the medium. */
const EIO = 29;

/** PGlite's file system, but fsync reaches the disk: as shipped it does nothing and the server runs with `-F`. */
export class DurableNodeFS extends NodeFS {
  override async init(...args: Parameters<Init>): ReturnType<Init> {
    const made = await super.init(...args);
    const install = (module: NodeFsModule) => {
      const ops = module.NODEFS?.stream_ops;
      if (ops === undefined) throw new Error('this PGlite has no NODEFS: durability cannot be promised');
      ops.fsync = (stream) => {
        if (stream.nfd === undefined) return 0; // a directory
        try {
          fsyncSync(stream.nfd);
          return 0;
        } catch {
          return EIO;
        }
      };
    };
    const preRun = made.emscriptenOpts.preRun;
    const before = preRun === undefined ? [] : Array.isArray(preRun) ? preRun : [preRun];
    return { ...made, emscriptenOpts: { ...made.emscriptenOpts, preRun: [...before, install] } };
  }
}

/** PGlite's own parameters without `-F` (fsync off). fdatasync is a stub there, so WAL is flushed by fsync. */
export function durableStartParams(): string[] {
  return [...PGlite.defaultStartParams.filter((param) => param !== '-F'), '-c', 'wal_sync_method=fsync', '-c', 'timezone=UTC'];
}
