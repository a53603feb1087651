import type { Rotation } from '@fluxgate/protocol/admin';
import { type Column, sheet, type View } from '../../../outcome.ts';
import { showAgo, showTime } from '../../../units.ts';

export const rotationColumns = (nowMs: number): readonly Column<Rotation>[] => [
  { title: 'ID', text: (rotation) => rotation.id },
  { title: 'KEY', text: (rotation) => rotation.keyName },
  { title: 'VERSIONS', text: (rotation) => `${rotation.fromVersion} -> ${rotation.toVersion}` },
  { title: 'STATE', text: (rotation) => rotation.state },
  { title: 'GRACE UNTIL', text: (rotation) => showTime(rotation.graceUntil) },
  { title: 'OLD USED', text: (rotation) => showAgo(rotation.oldLastUsedAt, nowMs) },
  { title: 'ACTOR', text: (rotation) => rotation.actor, wide: true },
  { title: 'CREATED', text: (rotation) => showTime(rotation.createdAt), wide: true },
  { title: 'ENDED', text: (rotation) => showTime(rotation.endedAt), wide: true },
];

export const rotationSheet = (rotation: Rotation, nowMs: number): View =>
  sheet([
    ['Rotation', rotation.id],
    ['Key', `${rotation.keyName} (${rotation.keyId})`],
    ['State', rotation.state],
    ['Versions', `${rotation.fromVersion} (${rotation.fromKid}) -> ${rotation.toVersion} (${rotation.toKid})`],
    ['Grace until', showTime(rotation.graceUntil)],
    [
      'Old last used',
      rotation.oldLastUsedAt === null
        ? 'not since the rotation'
        : `${showAgo(rotation.oldLastUsedAt, nowMs)}, from ${rotation.oldLastAddress ?? '?'} (${rotation.oldLastUserAgent ?? 'no agent'})`,
    ],
    ['Started by', `${rotation.actor}, ${showTime(rotation.createdAt)}`],
    ['Ended', showTime(rotation.endedAt)],
  ]);
