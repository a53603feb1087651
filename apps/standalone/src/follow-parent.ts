/**
 * Preloaded into the child processes (`node --import`): when the pipe from standalone closes, because standalone was
 * killed, the child stops as on SIGTERM. Nothing is left running without its supervisor.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  process.stdin.on('error', () => {});
  process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
  process.stdin.resume();
  (process.stdin as unknown as { unref?: () => void }).unref?.();
}
