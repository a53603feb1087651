import type { IssuerStatus } from '@fluxgate/protocol/admin';
import { gridView, type View } from '../../outcome.ts';
import { showDistance, showTime } from '../../units.ts';

type Key = IssuerStatus['keys'][number];

const signsText = ({ state, signsFrom, stoppedAt }: Key, nowMs: number): string => {
  if (state === 'previous') return `until ${showTime(stoppedAt)}`;
  if (state === 'current') return `since ${showTime(signsFrom)}`;
  return `from ${showTime(signsFrom)}${Date.parse(signsFrom) > nowMs ? `, in ${showDistance(signsFrom, nowMs)}` : ''}`;
};

export const keysView = (status: IssuerStatus, nowMs: number): View =>
  gridView(status.keys, [
    { title: 'KID', text: (key) => key.kid },
    { title: 'STATE', text: (key) => key.state },
    { title: 'ALG', text: (key) => key.algorithm },
    { title: 'SIGNS', text: (key) => signsText(key, nowMs) },
    { title: 'PUBLISHED UNTIL', text: (key) => showTime(key.publishedUntil) },
    { title: 'KEPT BY', text: (key) => key.signer, wide: true },
    { title: 'PUBLISHED', text: (key) => showTime(key.publishedAt), wide: true },
  ]);
