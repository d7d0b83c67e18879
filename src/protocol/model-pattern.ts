/**
 * The patterns of `model_use`: `*` stands for any run of characters, `/` included, everything else for itself, and the
 * whole name must match (arcp-runtime, classic). There a `*` stops at the first place where the next piece occurs, so
 * that `a*b` misses `abXb`; here it does not.
 * The steps are linear in pattern and name together: the pieces between stars are found one after the other, each at
 * its first place, by Knuth-Morris-Pratt.
 */

/** For each prefix of `piece`, the length of its longest proper border. */
function borders(piece: string): number[] {
  const lengths = [0];
  let length = 0;
  for (let i = 1; i < piece.length; i++) {
    while (length > 0 && piece[i] !== piece[length]) length = lengths[length - 1] ?? 0;
    if (piece[i] === piece[length]) length++;
    lengths.push(length);
  }
  return lengths;
}

/** Where `piece` first ends in `text[from, to)`, or -1. */
function endOfFirst(piece: string, text: string, from: number, to: number): number {
  if (piece === '') return from;
  const lengths = borders(piece);
  let matched = 0;
  for (let i = from; i < to; i++) {
    while (matched > 0 && text[i] !== piece[matched]) matched = lengths[matched - 1] ?? 0;
    if (text[i] === piece[matched]) matched++;
    if (matched === piece.length) return i + 1;
  }
  return -1;
}

/** Whether `name` as a whole is of the form `pattern`. */
export function matchesModel(pattern: string, name: string): boolean {
  const firstStar = pattern.indexOf('*');
  if (firstStar === -1) return pattern === name;
  const lastStar = pattern.lastIndexOf('*');
  const head = pattern.slice(0, firstStar);
  const tail = pattern.slice(lastStar + 1);
  if (name.length < head.length + tail.length || !name.startsWith(head) || !name.endsWith(tail)) return false;
  const end = name.length - tail.length;
  let from = head.length;
  for (const piece of pattern.slice(firstStar, lastStar).split('*')) {
    from = endOfFirst(piece, name, from, end);
    if (from === -1) return false;
  }
  return true;
}

/**
 * Whether every name that `inner` matches is matched by `outer`.
 * That is so exactly when `outer` matches the text of `inner`: its stars are characters that no literal of `outer`
 * equals, so only a star of `outer` can cover them, and a star covers whatever else they stand for. A name with
 * a character that `outer` lacks, in place of the stars, is the counterexample otherwise.
 * By the same name, no union of patterns contains `inner` unless one of them does.
 */
export function subsumesModel(outer: string, inner: string): boolean {
  return matchesModel(outer, inner);
}
