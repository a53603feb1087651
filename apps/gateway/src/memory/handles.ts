/** What one thread hands to another so that both see the same memory. Opaque: only the modules of this folder look inside. */

/** From `KeyIndexWriter.handles()`; readers attach with `attachKeyIndex(handles)`. */
export interface KeyIndexHandles {
  readonly control: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly records: SharedArrayBuffer;
  readonly heap: SharedArrayBuffer;
  readonly grants: SharedArrayBuffer;
}

/** From `createRateMemory()`; every worker attaches with `attachRates(handles, worker)`. */
export interface RateHandles {
  readonly cells: SharedArrayBuffer;
}

/** From `createLeaseMemory()`; workers attach with `attachLeases(handles, onLow)`, the sync thread with `LeaseKeeper`. */
export interface LeaseHandles {
  readonly cells: SharedArrayBuffer;
  readonly names: SharedArrayBuffer;
}

/** From `createReplayMemory()`; every worker attaches with `attachReplays(handles)`. */
export interface ReplayHandles {
  readonly cells: SharedArrayBuffer;
}
