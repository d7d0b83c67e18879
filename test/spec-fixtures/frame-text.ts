/** The `frame` of a fixture: text, or text in parts of which some are repeated (`spec-fixtures/README.md`). */
export type FrameText =
  string | { readonly parts: readonly (string | { readonly repeat: string; readonly times: number })[] };

export function frameText(frame: FrameText): string {
  if (typeof frame === 'string') return frame;
  return frame.parts
    .map((part) => (typeof part === 'string' ? part : part.repeat.repeat(part.times)))
    .join('');
}
