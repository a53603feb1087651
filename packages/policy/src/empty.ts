import type { Settings } from './model.ts';

/** Nothing configured: nobody is trusted, nothing is inherited. */
export const EMPTY_SETTINGS: Settings = Object.freeze({
  publicUrl: null,
  trustedProxies: Object.freeze([]),
  listeners: Object.freeze([]),
  limits: null,
  apiKey: null,
  jwt: null,
  oauth2: null,
});
