import type { UnitResult } from '../units.ts';

/** Sizes in bytes with a unit: `512B`, `32KiB`, `10MiB`, `1GiB`. Powers of 1024 under their own names, so that nobody has to guess. */

const UNIT: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

export function parseSize(text: string): UnitResult<number> {
  const found = /^(0|[1-9][0-9]{0,12})(B|KiB|MiB|GiB|TiB)$/.exec(text);
  if (found !== null) {
    const value = Number(found[1]) * (UNIT[found[2] as string] as number);
    if (Number.isSafeInteger(value)) return { ok: true, value };
    return { ok: false, why: `"${text}" is larger than anything`, remedy: 'write a smaller size, such as 1GiB' };
  }
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  if (/^[0-9]{1,15}$/.test(text))
    return { ok: false, why: `"${shown}" has no unit`, remedy: `write ${formatSize(Number(text))}` };
  const near = /^([0-9]{1,9}) ?(b|bytes?|k|kb|m|mb|g|gb|t|tb|kib|mib|gib|tib)$/i.exec(text);
  if (near !== null) {
    const unit = (near[2] as string).charAt(0).toUpperCase();
    return {
      ok: false,
      why: `"${shown}" is not one whole number and one unit`,
      remedy: `write ${Number(near[1])}${unit === 'B' ? 'B' : `${unit}iB`}`,
    };
  }
  return { ok: false, why: `"${shown}" is not a size`, remedy: 'write a number and a unit, such as 512B, 32KiB, 10MiB or 1GiB' };
}

/** The largest unit that divides it; `parseSize` reads it back exactly. */
export function formatSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    const size = UNIT[unit] as number;
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
