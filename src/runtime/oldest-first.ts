/**
 * Takes the oldest entry out of a Map again and again. A fresh iterator would step over every hole that earlier removals
 * left at the Map's front; this one remembers where it was, so that taking is cheap however large the Map is.
 */
export class OldestFirst<K, V> {
  readonly #map: ReadonlyMap<K, V>;
  #iterator: Iterator<[K, V]> | undefined;
  #next: [K, V] | undefined;

  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map;
  }

  /** The oldest entry that is still in the Map. Whoever replaces an entry in the Map removes it first. */
  peek(): [K, V] | undefined {
    if (this.#next !== undefined && this.#map.get(this.#next[0]) === this.#next[1]) return this.#next;
    this.#next = undefined;
    if (this.#map.size === 0) {
      this.#iterator = undefined;
      return undefined;
    }
    this.#iterator ??= this.#map.entries();
    const step = this.#iterator.next();
    if (step.done === true) {
      this.#iterator = undefined;
      return this.peek();
    }
    this.#next = step.value;
    return this.#next;
  }
}
