/** The realm that every installation has. */
export const DEFAULT_REALM = 'live';
