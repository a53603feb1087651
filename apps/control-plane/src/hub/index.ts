export { createHub, type Hub } from './hub.ts';
export type { HubLog, HubOptions, Pace, TokenHolder } from './options.ts';
