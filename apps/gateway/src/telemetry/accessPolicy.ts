/** Which requests get a line in the access log. */
export interface AccessPolicy {
  readonly mode: 'off' | 'refusals' | 'all' | 'sampled';
  /** Every so many-th request of a worker, in mode `sampled`; else 1. */
  readonly oneIn: number;
}

const SAMPLED = /^sampled:1\/([1-9]\d{0,6})$/;

/** `off`, `refusals`, `all` or `sampled:1/N`; null: none of these. */
export function parseAccessPolicy(text: string): AccessPolicy | null {
  if (text === 'off' || text === 'refusals' || text === 'all') return { mode: text, oneIn: 1 };
  const sampled = SAMPLED.exec(text);
  return sampled === null ? null : { mode: 'sampled', oneIn: Number(sampled[1]) };
}

/** 0 to 1, or `1/N`; null: not a ratio. */
export function parseRatio(text: string): number | null {
  const fraction = /^1\/([1-9]\d{0,8})$/.exec(text);
  if (fraction !== null) return 1 / Number(fraction[1]);
  return /^(?:0|1|0?\.\d{1,9}|[01]\.0+|0\.\d{1,9})$/.test(text) ? Number(text) : null;
}
