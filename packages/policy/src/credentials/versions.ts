import type { KeyState } from '../model.ts';

/**
 * The life of a credential's versions as arithmetic: at most two are live, deadlines are compared with the clock, and
 * nothing depends on a job having run. Times in milliseconds since 1970; null = never.
 */

/** What is stored. `retired`: its rotation was finished. */
export type StoredVersionState = KeyState | 'retired';
/** What is true at a moment. */
export type VersionState = StoredVersionState | 'expired';

export interface Version {
  readonly kid: string;
  readonly number: number;
  readonly state: StoredVersionState;
  /** The version's own expiry. A rotation never changes it, so that an abort can give it back. */
  readonly notAfterMs: number | null;
  /** Set while (and after) a rotation retires this version: it verifies until then, never longer than `notAfterMs`. */
  readonly graceUntilMs: number | null;
}

export type VersionProblem =
  | 'key_not_live'
  | 'rotation_in_progress'
  | 'rotation_not_found'
  | 'version_not_found'
  | 'expiry_in_past';
export interface VersionRefusal {
  readonly ok: false;
  readonly code: VersionProblem;
  readonly why: string;
  readonly remedy: string;
}
export interface VersionChange {
  readonly ok: true;
  /** All versions, changed or not, in the order of their numbers. */
  readonly versions: readonly Version[];
  /** kids of those that differ from before (new ones included): what has to be written and synced. */
  readonly changed: readonly string[];
}
export type VersionResult = VersionChange | VersionRefusal;

const never = Number.POSITIVE_INFINITY;

/** From this moment on the version is refused whatever its state says: own expiry or end of grace, the earlier. */
export function verifiesUntilMs(version: Version): number | null {
  const end = Math.min(version.notAfterMs ?? never, version.graceUntilMs ?? never);
  return end === never ? null : end;
}

export function effectiveState(version: Version, nowMs: number): VersionState {
  if (version.state === 'revoked' || version.state === 'retired') return version.state;
  const expiry = version.notAfterMs ?? never;
  const grace = version.graceUntilMs ?? never;
  if (nowMs >= Math.min(expiry, grace)) return grace < expiry ? 'retired' : 'expired';
  return version.state;
}

/** Versions that verify now, or would once a suspension is lifted. */
export function liveVersions(versions: readonly Version[], nowMs: number): readonly Version[] {
  return versions.filter((one) => {
    const state = effectiveState(one, nowMs);
    return state === 'active' || state === 'retiring' || state === 'suspended';
  });
}

function refusal(code: VersionProblem, why: string, remedy: string): VersionRefusal {
  return { ok: false, code, why, remedy };
}

function change(before: readonly Version[], after: readonly Version[]): VersionChange {
  const old = new Map(before.map((one) => [one.kid, one]));
  const sorted = [...after].sort((a, b) => a.number - b.number);
  return { ok: true, versions: sorted, changed: sorted.filter((one) => old.get(one.kid) !== one).map((one) => one.kid) };
}

const replace = (versions: readonly Version[], next: Version): Version[] =>
  versions.map((one) => (one.kid === next.kid ? next : one));
const nextNumber = (versions: readonly Version[]): number => versions.reduce((top, one) => Math.max(top, one.number), 0) + 1;
const newest = (versions: readonly Version[]): Version | undefined =>
  versions.reduce<Version | undefined>((top, one) => (top === undefined || one.number > top.number ? one : top), undefined);

/** The two sides of an unfinished rotation, or null. */
export function openRotation(
  versions: readonly Version[],
  nowMs: number,
): { readonly from: Version; readonly to: Version } | null {
  const live = liveVersions(versions, nowMs);
  const from = live.find((one) => one.graceUntilMs !== null);
  const to = newest(live.filter((one) => one.graceUntilMs === null));
  return from !== undefined && to !== undefined ? { from, to } : null;
}

export interface RotateInput {
  readonly kid: string;
  readonly nowMs: number;
  readonly graceMs: number;
  /** Expiry of the new version. */
  readonly notAfterMs: number | null;
  /** The secret of the new version of an unfinished rotation was lost: replace that version, the old one keeps its grace. */
  readonly reissue?: boolean;
}

/** A new version beside the current one, which verifies until `min(its expiry, now + grace)`; without grace it is revoked. */
export function rotateVersions(versions: readonly Version[], input: RotateInput): VersionResult {
  const { nowMs, graceMs } = input;
  if (!(graceMs >= 0)) throw new RangeError('graceMs must not be negative');
  if (versions.some((one) => one.kid === input.kid)) throw new RangeError('a new version needs a new kid');
  if (input.notAfterMs !== null && input.notAfterMs <= nowMs) {
    return refusal('expiry_in_past', 'the new version would already have expired', 'give an expiry in the future');
  }
  const added: Version = {
    kid: input.kid,
    number: nextNumber(versions),
    state: 'active',
    notAfterMs: input.notAfterMs,
    graceUntilMs: null,
  };
  const open = openRotation(versions, nowMs);
  if (open !== null && open.to.state === 'suspended') return suspendedRefusal();
  if (open !== null && input.reissue === true) {
    return change(versions, [...replace(versions, { ...open.to, state: 'revoked' }), added]);
  }
  if (open !== null) {
    return refusal(
      'rotation_in_progress',
      `two versions are live: ${open.from.kid} (retiring) and ${open.to.kid}`,
      'finish or abort the running rotation first; if the new secret was lost, rotate with --reissue',
    );
  }
  if (input.reissue === true) {
    return refusal(
      'rotation_not_found',
      'there is no unfinished rotation whose secret could be issued again',
      'rotate without --reissue',
    );
  }
  const current = newest(liveVersions(versions, nowMs));
  if (current === undefined) return notLive();
  if (current.state === 'suspended') return suspendedRefusal();
  const retired: Version =
    graceMs === 0
      ? { ...current, state: 'revoked', graceUntilMs: nowMs }
      : { ...current, state: 'retiring', graceUntilMs: Math.min(current.notAfterMs ?? never, nowMs + graceMs) };
  return change(versions, [...replace(versions, retired), added]);
}

const notLive = (): VersionRefusal =>
  refusal(
    'key_not_live',
    'no version of this key is live',
    'renew it if it only expired; a revoked key is replaced by `fluxctl keys generate`',
  );
const suspendedRefusal = (): VersionRefusal => refusal('key_not_live', 'the key is suspended', 'resume it first');
const noRotation = (): VersionRefusal =>
  refusal(
    'rotation_not_found',
    'no rotation is open: no version is in its grace',
    'nothing to do; `fluxctl keys get` shows the versions',
  );

/** The old version ends now. */
export function finishRotation(versions: readonly Version[], nowMs: number): VersionResult {
  const open = openRotation(versions, nowMs);
  if (open === null) return noRotation();
  return change(versions, replace(versions, { ...open.from, state: 'retired', graceUntilMs: nowMs }));
}

/** The new version is revoked, the old one is active again until its own expiry. */
export function abortRotation(versions: readonly Version[], nowMs: number): VersionResult {
  const open = openRotation(versions, nowMs);
  if (open === null) return noRotation();
  const back = replace(versions, {
    ...open.from,
    state: open.from.state === 'suspended' ? 'suspended' : 'active',
    graceUntilMs: null,
  });
  return change(versions, replace(back, { ...open.to, state: 'revoked' }));
}

/** The current version gets a new end. An expired one may be renewed: that is the explicit act expiry asks for. */
export function renewVersion(versions: readonly Version[], nowMs: number, notAfterMs: number | null): VersionResult {
  if (notAfterMs !== null && notAfterMs <= nowMs) {
    return refusal('expiry_in_past', 'the new expiry is not in the future', 'give an expiry in the future');
  }
  const current = newest(
    versions.filter((one) => one.graceUntilMs === null && one.state !== 'revoked' && one.state !== 'retired'),
  );
  if (current === undefined) return notLive();
  if (current.state === 'suspended') return suspendedRefusal();
  return change(versions, replace(versions, { ...current, notAfterMs }));
}

/** Ends all versions, or the one named. Terminal. Revoking what is revoked already changes nothing and is no error. */
export function revokeVersions(versions: readonly Version[], kid: string | null = null): VersionResult {
  if (kid !== null && !versions.some((one) => one.kid === kid)) {
    return refusal('version_not_found', `this key has no version ${kid}`, '`fluxctl keys get` shows the versions');
  }
  const next = versions.map(
    (one): Version => ((kid === null || one.kid === kid) && one.state !== 'revoked' ? { ...one, state: 'revoked' } : one),
  );
  return change(versions, next);
}

/** Every live version stops verifying until it is resumed; deadlines go on running. */
export function suspendVersions(versions: readonly Version[], nowMs: number): VersionResult {
  const live = new Set(liveVersions(versions, nowMs));
  if (live.size === 0) return notLive();
  return change(
    versions,
    versions.map((one): Version => (live.has(one) && one.state !== 'suspended' ? { ...one, state: 'suspended' } : one)),
  );
}

/** Lifts a suspension: a version in its grace is retiring again, the other active. */
export function resumeVersions(versions: readonly Version[]): VersionResult {
  return change(
    versions,
    versions.map(
      (one): Version => (one.state === 'suspended' ? { ...one, state: one.graceUntilMs === null ? 'active' : 'retiring' } : one),
    ),
  );
}
