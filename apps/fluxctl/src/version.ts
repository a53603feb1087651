declare const FLUXGATE_VERSION: string;

/** Put in by the build. */
export const VERSION: string = FLUXGATE_VERSION;
