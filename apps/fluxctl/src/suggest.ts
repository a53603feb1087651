/** Edit distance with neighbouring letters swapped counting as one (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
}

/** The nearest words to a mistyped one, best first; none when nothing is near enough to be meant. */
export function nearest(word: string, known: readonly string[], most = 3): string[] {
  const allowed = Math.max(1, Math.min(3, Math.floor(word.length * 0.4)));
  return known
    .map((candidate) => {
      const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
      return { candidate, distance: candidate.startsWith(word) && word.length >= 3 ? Math.min(distance, 1) : distance };
    })
    .filter(({ distance }) => distance <= allowed)
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate))
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

/** `Did you mean …?`, or null. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const near = nearest(word, known);
  return near.length === 0 ? null : `Did you mean ${near.join(' or ')}?`;
}
