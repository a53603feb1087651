/** The exit codes, in one place: what they mean, and which outcome gets which. The same in every output format. */

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  saysNo: 3,
  unauthenticated: 4,
  forbidden: 5,
  notFound: 6,
  conflict: 7,
  notConverged: 8,
  unreachable: 9,
  differences: 10,
  partly: 11,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** [code, meaning, is it worth trying again?], as `fluxctl help exit-codes` prints them. */
export const EXIT_MEANINGS: readonly (readonly [ExitCode, string, string])[] = [
  [EXIT.done, 'done; the desired state holds (also: already so, nothing due, empty list)', '-'],
  [EXIT.failed, 'failed: the server answered 5xx, or a fault in fluxctl', 'maybe'],
  [EXIT.usage, 'usage: bad flag or value, missing input, configuration with mistakes', 'no'],
  [EXIT.saysNo, 'the check ran and the answer is no (auth verify, routes test --expect, rotation not idle)', 'no'],
  [EXIT.unauthenticated, 'not authenticated: no credential, or it was rejected', 'after login'],
  [EXIT.forbidden, 'forbidden: the credential may not do this', 'no'],
  [EXIT.notFound, 'not found', 'no'],
  [EXIT.conflict, 'conflict: name taken, rotation in progress, replayed request', 'no'],
  [EXIT.notConverged, 'accepted, but not every node had it before the deadline', 'wait again'],
  [EXIT.unreachable, 'unreachable: network, DNS, TLS, timeout, 429 or 503', 'yes'],
  [EXIT.differences, 'differences found (apply --dry-run --exit-code)', '-'],
  [EXIT.partly, 'partly done; details per item', 'inspect'],
  [EXIT.interrupted, 'interrupted (Ctrl-C) or declined', '-'],
  [EXIT.terminated, 'terminated (SIGTERM)', '-'],
];

/** Problem codes whose meaning is narrower than their HTTP status. */
const BY_CODE: Readonly<Record<string, ExitCode>> = {
  rotation_not_idle: EXIT.saysNo,
};

/** What an HTTP status of the Admin API means to a script. */
export function exitOfProblem(status: number, code: string | null): ExitCode {
  const special = code === null ? undefined : BY_CODE[code];
  if (special !== undefined) return special;
  if (status === 401) return EXIT.unauthenticated;
  if (status === 403) return EXIT.forbidden;
  if (status === 404) return EXIT.notFound;
  if (status === 409 || status === 412) return EXIT.conflict;
  if (status === 429 || status === 502 || status === 503 || status === 504 || status === 407) return EXIT.unreachable;
  if (status >= 400 && status < 500) return EXIT.usage;
  return EXIT.failed;
}

/** The worst of several outcomes of one command, for bulk work: interrupted → that, all the same → that code, mixed → partly. */
export function exitOfMany(done: number, failures: readonly ExitCode[]): ExitCode {
  if (failures.length === 0) return EXIT.done;
  const stopped = failures.find((code) => code >= EXIT.interrupted);
  if (stopped !== undefined) return stopped;
  const first = failures[0] ?? EXIT.failed;
  return done === 0 && failures.every((code) => code === first) ? first : EXIT.partly;
}
