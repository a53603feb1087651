import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  abortRotation,
  effectiveState,
  finishRotation,
  liveVersions,
  openRotation,
  renewVersion,
  resumeVersions,
  revokeVersions,
  rotateVersions,
  suspendVersions,
  type Version,
  type VersionChange,
  type VersionResult,
  verifiesUntilMs,
} from './versions.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21);
const first: Version = { kid: 'one', number: 1, state: 'active', notAfterMs: NOW + 90 * DAY, graceUntilMs: null };

function done(result: VersionResult): VersionChange {
  if (!result.ok) throw new Error(`refused: ${result.code}`);
  return result;
}
const rotate = (versions: readonly Version[], kid: string, nowMs = NOW, graceMs = DAY): VersionResult =>
  rotateVersions(versions, { kid, nowMs, graceMs, notAfterMs: nowMs + 90 * DAY });
const byKid = (versions: readonly Version[], kid: string): Version => versions.find((one) => one.kid === kid) as Version;

test('after a rotation both versions verify until the grace ends, then only the new one', () => {
  const { versions, changed } = done(rotate([first], 'two'));
  expect(changed).toEqual(['one', 'two']);
  expect(versions.map((one) => [one.kid, one.number, effectiveState(one, NOW)])).toEqual([
    ['one', 1, 'retiring'],
    ['two', 2, 'active'],
  ]);
  expect(effectiveState(byKid(versions, 'one'), NOW + DAY - 1)).toBe('retiring');
  expect(effectiveState(byKid(versions, 'one'), NOW + DAY)).toBe('retired');
  expect(effectiveState(byKid(versions, 'two'), NOW + DAY)).toBe('active');
});

test('grace never makes the old version live longer than its own expiry', () => {
  const dying: Version = { ...first, notAfterMs: NOW + 1000 };
  const old = byKid(done(rotate([dying], 'two')).versions, 'one');
  expect(old.graceUntilMs).toBe(NOW + 1000);
  expect(verifiesUntilMs(old)).toBe(NOW + 1000);
  expect(effectiveState(old, NOW + 1000)).toBe('expired');
  const eternal: Version = { ...first, notAfterMs: null };
  expect(verifiesUntilMs(byKid(done(rotate([eternal], 'two')).versions, 'one'))).toBe(NOW + DAY);
});

test('without grace the old version is revoked at once', () => {
  const { versions } = done(rotate([first], 'two', NOW, 0));
  expect(effectiveState(byKid(versions, 'one'), NOW)).toBe('revoked');
  expect(liveVersions(versions, NOW).map((one) => one.kid)).toEqual(['two']);
});

test('a third version is refused while two are live, and the remedy names the ways out', () => {
  const { versions } = done(rotate([first], 'two'));
  const refused = rotate(versions, 'three');
  expect(refused).toMatchObject({ ok: false, code: 'rotation_in_progress' });
  expect(refused.ok ? '' : refused.remedy).toMatch(/finish or abort/);
  expect(rotate(versions, 'three', NOW + DAY).ok).toBe(true); // the grace is over: no job had to run
});

test('a lost secret is issued again without touching the old version', () => {
  const { versions } = done(rotate([first], 'two'));
  const again = done(
    rotateVersions(versions, { kid: 'three', nowMs: NOW + 5, graceMs: DAY, notAfterMs: NOW + 9 * DAY, reissue: true }),
  );
  expect(again.changed).toEqual(['two', 'three']);
  expect(again.versions.map((one) => [one.kid, effectiveState(one, NOW + 5)])).toEqual([
    ['one', 'retiring'],
    ['two', 'revoked'],
    ['three', 'active'],
  ]);
  expect(byKid(again.versions, 'one')).toEqual(byKid(versions, 'one'));
  expect(rotateVersions([first], { kid: 'x', nowMs: NOW, graceMs: 1, notAfterMs: null, reissue: true })).toMatchObject({
    code: 'rotation_not_found',
  });
});

test('finishing ends the old version now and nothing else', () => {
  const { versions } = done(rotate([first], 'two'));
  const after = done(finishRotation(versions, NOW + 5));
  expect(after.changed).toEqual(['one']);
  expect(effectiveState(byKid(after.versions, 'one'), NOW + 5)).toBe('retired');
  expect(finishRotation(after.versions, NOW + 6)).toMatchObject({ ok: false, code: 'rotation_not_found' });
  expect(finishRotation([first], NOW)).toMatchObject({ ok: false, code: 'rotation_not_found' });
});

test('an abort gives the old version its own expiry back and revokes the new one', () => {
  const { versions } = done(rotate([first], 'two'));
  const after = done(abortRotation(versions, NOW + 5));
  expect(byKid(after.versions, 'one')).toEqual(first);
  expect(effectiveState(byKid(after.versions, 'two'), NOW + 5)).toBe('revoked');
  expect(rotate(after.versions, 'three', NOW + 5).ok).toBe(true);
});

test('a rotation whose grace is over can no longer be aborted', () => {
  const { versions } = done(rotate([first], 'two'));
  expect(abortRotation(versions, NOW + DAY)).toMatchObject({ ok: false, code: 'rotation_not_found' });
});

test('expiry is compared with the clock: the last millisecond verifies, the next does not', () => {
  expect(effectiveState(first, NOW + 90 * DAY - 1)).toBe('active');
  expect(effectiveState(first, NOW + 90 * DAY)).toBe('expired');
  expect(effectiveState({ ...first, notAfterMs: null }, Number.MAX_SAFE_INTEGER)).toBe('active');
});

test('revoked stays revoked, whatever deadlines say', () => {
  expect(effectiveState({ ...first, state: 'revoked' }, NOW + 1000 * DAY)).toBe('revoked');
});

test('a dead key cannot be rotated back to life', () => {
  expect(rotate([{ ...first, state: 'revoked' }], 'two')).toMatchObject({ ok: false, code: 'key_not_live' });
  expect(rotate([first], 'two', NOW + 91 * DAY)).toMatchObject({ ok: false, code: 'key_not_live' });
  expect(rotate([{ ...first, state: 'suspended' }], 'two')).toMatchObject({ ok: false, code: 'key_not_live' });
});

test('renewal moves the end of the current version, even of an expired one, and never of one that is retiring', () => {
  const { versions } = done(rotate([first], 'two'));
  const renewed = done(renewVersion(versions, NOW, NOW + 200 * DAY));
  expect(renewed.changed).toEqual(['two']);
  expect(byKid(renewed.versions, 'two').notAfterMs).toBe(NOW + 200 * DAY);
  const late = done(renewVersion([first], NOW + 100 * DAY, NOW + 190 * DAY));
  expect(effectiveState(byKid(late.versions, 'one'), NOW + 100 * DAY)).toBe('active');
  expect(renewVersion([{ ...first, state: 'revoked' }], NOW, NOW + DAY)).toMatchObject({ code: 'key_not_live' });
  expect(renewVersion([{ ...first, state: 'suspended' }], NOW, NOW + DAY)).toMatchObject({ code: 'key_not_live' });
  expect(renewVersion([first], NOW, NOW)).toMatchObject({ code: 'expiry_in_past' });
});

test('revoking ends all versions or the one named, and twice changes nothing', () => {
  const { versions } = done(rotate([first], 'two'));
  const one = done(revokeVersions(versions, 'one'));
  expect(one.changed).toEqual(['one']);
  const all = done(revokeVersions(one.versions));
  expect(all.changed).toEqual(['two']);
  expect(liveVersions(all.versions, NOW)).toEqual([]);
  expect(done(revokeVersions(all.versions)).changed).toEqual([]);
  expect(revokeVersions(versions, 'nobody')).toMatchObject({ ok: false, code: 'version_not_found' });
});

test('a suspension stops both versions and gives each its own state back', () => {
  const { versions } = done(rotate([first], 'two'));
  const stopped = done(suspendVersions(versions, NOW));
  expect(stopped.versions.map((one) => effectiveState(one, NOW))).toEqual(['suspended', 'suspended']);
  const back = done(resumeVersions(stopped.versions));
  expect(back.versions).toEqual(versions);
  expect(suspendVersions([{ ...first, state: 'revoked' }], NOW)).toMatchObject({ code: 'key_not_live' });
});

test('deadlines go on running while a key is suspended', () => {
  const stopped = done(suspendVersions(done(rotate([first], 'two')).versions, NOW)).versions;
  expect(stopped.map((one) => effectiveState(one, NOW + DAY))).toEqual(['retired', 'suspended']);
});

test('a new version that would be dead on arrival is refused', () => {
  expect(rotateVersions([first], { kid: 'two', nowMs: NOW, graceMs: 0, notAfterMs: NOW })).toMatchObject({
    ok: false,
    code: 'expiry_in_past',
  });
});

test('no sequence of operations makes three live versions, two current ones, or moves an end beyond its own expiry', () => {
  const step = fc.record({
    op: fc.constantFrom('rotate', 'reissue', 'finish', 'abort', 'renew', 'revokeOld', 'suspend', 'resume'),
    waitMs: fc.constantFrom(0, 1, 1000, DAY / 2, DAY, 20 * DAY),
    graceMs: fc.constantFrom(0, 1, DAY, 40 * DAY),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      let versions: readonly Version[] = [first];
      let nowMs = NOW;
      let made = 0;
      for (const { op, waitMs, graceMs } of steps) {
        nowMs += waitMs;
        made += 1;
        const input = { kid: `k${made}`, nowMs, graceMs, notAfterMs: nowMs + 30 * DAY };
        const result =
          op === 'rotate'
            ? rotateVersions(versions, input)
            : op === 'reissue'
              ? rotateVersions(versions, { ...input, reissue: true })
              : op === 'finish'
                ? finishRotation(versions, nowMs)
                : op === 'abort'
                  ? abortRotation(versions, nowMs)
                  : op === 'renew'
                    ? renewVersion(versions, nowMs, nowMs + 30 * DAY)
                    : op === 'revokeOld'
                      ? revokeVersions(versions, versions[0]?.kid)
                      : op === 'suspend'
                        ? suspendVersions(versions, nowMs)
                        : resumeVersions(versions);
        const revokedBefore = versions.filter((one) => one.state === 'revoked').map((one) => one.kid);
        if (result.ok) versions = result.versions;
        const live = liveVersions(versions, nowMs);
        expect(live.length).toBeLessThanOrEqual(2);
        expect(live.filter((one) => one.graceUntilMs === null).length).toBeLessThanOrEqual(1);
        for (const one of versions) {
          const end = verifiesUntilMs(one);
          if (one.notAfterMs !== null) expect(end).toBeLessThanOrEqual(one.notAfterMs);
          if (revokedBefore.includes(one.kid)) expect(one.state).toBe('revoked');
        }
        const open = openRotation(versions, nowMs);
        if (open !== null) expect(open.from.number).toBeLessThan(open.to.number);
      }
    }),
    { numRuns: 500 },
  );
});
