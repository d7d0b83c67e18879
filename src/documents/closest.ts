/**
 * The word that was probably meant: at most two letters away, and fewer than half of its own. Of several the one that
 * begins alike: first letters are seldom wrong.
 */
export function closest(given: string, known: readonly string[]): string | undefined {
  if (given.length > 64) return undefined;
  let best: string | undefined;
  let least = Math.min(3, Math.ceil(given.length / 2));
  for (const word of known) {
    const distance = distanceOf(given, word) + (given[0] === word[0] ? 0 : 0.5);
    if (distance < least) [best, least] = [word, distance];
  }
  return best;
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    before = above;
    above = row;
  }
  return above[b.length] ?? 0;
}
