import type { KeyIndexHandles, LeaseHandles } from './handles.ts';
import { CAPACITY } from './key-index-layout.ts';
import { LeaseCells } from './lease-layout.ts';

/** How full shared memory is, for metrics. Reads that may be a moment old; nothing is decided by them. */
export const keyIndexSlots = (handles: KeyIndexHandles): number => Atomics.load(new Int32Array(handles.control), CAPACITY);

/** Walks one word per cell: some 50 µs for all of them, once per scrape. */
export function leaseFill(handles: LeaseHandles): { readonly used: number; readonly all: number } {
  const { tags, count } = new LeaseCells(handles);
  let used = 0;
  for (let cell = 0; cell < count; cell++) if (tags[cell] !== 0) used++;
  return { used, all: count };
}
