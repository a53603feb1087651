export { monotonicClock } from './clock.ts';
export type { KeyIndexHandles, LeaseHandles, RateHandles, ReplayHandles } from './handles.ts';
export { attachKeyIndex } from './key-index-reader.ts';
export { KeyIndex, type KeyIndexBounds } from './key-index-writer.ts';
export { type LeaseIn, LeaseKeeper, type ReturnedTokens } from './lease-keeper.ts';
export { createLeaseMemory } from './lease-layout.ts';
export { attachLeases } from './lease-table.ts';
export type { KeyIndexReader, KeyView, LeaseClient, LeaseTable, RateCounters, RateVerdict } from './ports.ts';
export { attachRates, createRateMemory, RATE_BUCKETS_DEFAULT, type SharedRates } from './rate-counters.ts';
export {
  attachReplays,
  createReplayMemory,
  REPLAY_BUCKETS_DEFAULT,
  type ReplayGuard,
  type ReplayVerdict,
} from './replay-memory.ts';
