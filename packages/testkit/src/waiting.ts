import { createServer } from 'node:net';

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Polls until `probe` answers something other than null, undefined or false.
 * @throws after the deadline, with what was waited for and, if given, what the process said meanwhile.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: { deadlineMs?: number; everyMs?: number; said?: () => string } = {},
): Promise<NonNullable<T>> {
  const deadlineMs = Date.now() + (options.deadlineMs ?? 15_000);
  let last: unknown = null;
  while (Date.now() < deadlineMs) {
    try {
      const value = await probe();
      if (value !== null && value !== undefined && value !== false) return value as NonNullable<T>;
    } catch (error) {
      last = error;
    }
    await sleep(options.everyMs ?? 25);
  }
  const said = options.said?.().slice(-3000) ?? '';
  throw new Error(
    `waited in vain until ${what}${last === null ? '' : ` (${String(last)})`}${said === '' ? '' : `\n--- it said ---\n${said}`}`,
  );
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
