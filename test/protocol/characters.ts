import * as fc from 'fast-check';

/** One of the characters of the text, a lone surrogate included. */
export function oneOf(characters: string): fc.Arbitrary<string> {
  return fc.constantFrom(...Array.from(characters));
}
