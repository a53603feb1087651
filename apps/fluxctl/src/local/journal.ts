import { createHash } from 'node:crypto';
import { envText, type Host } from '../host.ts';
import { readIfThere, replaceFile, underLock } from './lock.ts';
import { journalPath } from './paths.ts';

/**
 * Idempotency keys of requests that mint a secret. In CI the key follows from the run, so that a repeated job is the same
 * request. Elsewhere it is random and written down before the request leaves, until its secret has been handed over: the
 * same command again, after a lost answer, is then the same request too. No secrets are kept, bodies only as digests.
 */
export interface Journal {
  /** The key to send. `again` tells runs of one CI job apart where repeating is the intention (--reissue). */
  keyFor(request: MintRequest, again: boolean): Promise<string>;
  /** The answer was final and what it held was handed over. */
  settle(key: string): Promise<void>;
}
export interface MintRequest {
  readonly origin: string;
  readonly operation: string;
  readonly path: string;
  readonly body: unknown;
}
interface Entry {
  readonly key: string;
  readonly fingerprint: string;
  readonly operation: string;
  readonly path: string;
  readonly atMs: number;
}

const KEEP_MS = 24 * 3_600_000;
const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');

/** What is the same in every attempt of one CI job, or null outside of CI. */
export function ciRun(env: Host['env']): { run: string; attempt: string } | null {
  const host = { env };
  const joined = (names: readonly string[]): string | null => {
    const values = names.map((name) => envText(host, name));
    return values.some((value) => value === undefined) ? null : values.join(':');
  };
  for (const [name, marks, attempt] of [
    ['github', ['GITHUB_ACTIONS', 'GITHUB_REPOSITORY', 'GITHUB_RUN_ID', 'GITHUB_JOB'], 'GITHUB_RUN_ATTEMPT'],
    ['gitlab', ['GITLAB_CI', 'CI_PROJECT_ID', 'CI_PIPELINE_ID', 'CI_JOB_NAME'], 'CI_JOB_ID'],
    ['buildkite', ['BUILDKITE', 'BUILDKITE_BUILD_ID', 'BUILDKITE_STEP_ID'], 'BUILDKITE_RETRY_COUNT'],
    ['circleci', ['CIRCLECI', 'CIRCLE_WORKFLOW_ID', 'CIRCLE_JOB'], 'CIRCLE_BUILD_NUM'],
    ['jenkins', ['JENKINS_URL', 'BUILD_TAG'], 'BUILD_NUMBER'],
  ] as const) {
    const run = joined(marks);
    if (run !== null) return { run: `${name}:${run}`, attempt: envText(host, attempt) ?? '1' };
  }
  return null;
}

function entriesOf(content: string | null): Entry[] {
  try {
    const parsed: unknown = content === null ? [] : JSON.parse(content);
    return Array.isArray(parsed)
      ? (parsed as Entry[]).filter((entry) => typeof entry?.key === 'string' && typeof entry.atMs === 'number')
      : [];
  } catch {
    return [];
  }
}

export function openJournal(host: Pick<Host, 'env' | 'homeDir' | 'platform' | 'nowMs' | 'randomBytes'>): Journal {
  const path = journalPath(host);
  const edit = <T>(change: (entries: Entry[]) => { entries: Entry[]; value: T }): Promise<T> =>
    underLock(path, async () => {
      const fresh = entriesOf(await readIfThere(path)).filter((entry) => host.nowMs() - entry.atMs < KEEP_MS);
      const { entries, value } = change(fresh);
      await replaceFile(path, `${JSON.stringify(entries)}\n`);
      return value;
    });
  const random = () => Buffer.from(host.randomBytes(18)).toString('base64url');
  return {
    keyFor: async (request, again) => {
      const fingerprint = digest(JSON.stringify([request.origin, request.operation, request.path, request.body]));
      const ci = ciRun(host.env);
      if (ci !== null) return `ci-${digest(`${ci.run}\n${again ? ci.attempt : ''}\n${fingerprint}`)}`;
      const { operation, path: target } = request;
      const made: Entry = { key: `cli-${random()}`, fingerprint, operation, path: target, atMs: host.nowMs() };
      try {
        return await edit((entries) => {
          const open = entries.find((entry) => entry.fingerprint === fingerprint);
          return open ? { entries, value: open.key } : { entries: [...entries, made], value: made.key };
        });
      } catch {
        // A home that cannot be written (containers): the request is still made, only not protected against a repeat.
        return made.key;
      }
    },
    settle: async (key) => {
      if (key.startsWith('ci-')) return;
      await edit((entries) => ({ entries: entries.filter((entry) => entry.key !== key), value: undefined })).catch(() => {});
    },
  };
}
