/**
 * Milliseconds of the machine's monotonic clock, the same in every thread (unlike performance.now, which starts with the thread).
 * Deadlines in shared memory are told in it.
 */
export function monotonicClock(): () => number {
  const [seconds, nanos] = process.hrtime();
  const offset = seconds * 1000 + nanos / 1e6 - performance.now();
  return () => performance.now() + offset;
}
