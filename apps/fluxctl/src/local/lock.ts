import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EXIT } from '../exit.ts';
import { Failure } from '../failure.ts';

/** A lock older than this belonged to a process that died: the work under it takes milliseconds. */
const STALE_MS = 10_000;
const PATIENCE_MS = 15_000;

export const codeOf = (error: unknown): string | null =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : null;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a lock whose holder died. Only one process may do so at a time, or it could remove its successor's. */
async function breakStale(path: string): Promise<void> {
  const age = async () => Date.now() - (await stat(path)).mtimeMs;
  try {
    if ((await age()) < STALE_MS || !(await take(`${path}.breaking`))) return;
    try {
      if ((await age()) >= STALE_MS) await unlink(path);
    } finally {
      await unlink(`${path}.breaking`);
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Runs `work` while no other fluxctl does so for the same file. */
export async function underLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const lock = `${path}.lock`;
  const startedAt = performance.now();
  for (let waitMs = 2; !(await take(lock)); waitMs = Math.min(waitMs * 2, 50)) {
    if (performance.now() - startedAt > PATIENCE_MS)
      throw new Failure({
        code: 'locked',
        exit: EXIT.failed,
        message: `${path} stays locked`,
        why: 'another fluxctl holds it, or died while it did',
        hint: `If none is running: rm ${lock} ${lock}.breaking`,
        retryable: true,
      });
    await pause(waitMs + Math.random() * waitMs);
    await breakStale(lock);
  }
  try {
    return await work();
  } finally {
    await unlink(lock).catch(() => {});
  }
}

/** Replaces a file as a whole, 0600: a reader sees the old text or the new one. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
