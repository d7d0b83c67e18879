/**
 * Bytes that any language can make again: SplitMix with a 32-bit state, described in `spec-fixtures/agents.json`.
 *
 *   state ← state + 0x9e3779b9;  z ← state
 *   z ← (z xor (z >> 16)) · 0x21f0aaad;  z ← (z xor (z >> 15)) · 0x735a2d97;  z ← z xor (z >> 15)
 *
 * All arithmetic is modulo 2^32 and unsigned; each z gives four bytes, the lowest first; the first state is the seed.
 * The bytes are a function of the seed and the place alone, however they are cut.
 */
export class RandomBytes {
  #state: number;
  #word = 0;
  #bytesLeftInWord = 0;

  /** @param seed 0 to 2^32 − 1 */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next `length` bytes. */
  take(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) {
      if (this.#bytesLeftInWord === 0) {
        this.#word = this.#next();
        this.#bytesLeftInWord = 4;
      }
      bytes[at] = this.#word & 0xff;
      this.#word >>>= 8;
      this.#bytesLeftInWord--;
    }
    return bytes;
  }

  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }
}
