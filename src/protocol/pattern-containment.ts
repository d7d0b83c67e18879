/**
 * Whether everything that one pattern matches is matched by some of others (L4).
 *
 * (C1) Sound always: `true` is said only when it is so.
 * (C2) Exact where it says `false` there is a text that the inner pattern matches and none of the outer ones does, unless
 *      finding out took more steps than are allowed.
 *
 * It walks the inner pattern together with the sets of states that the outer ones are in meanwhile. Only the characters
 * that an outer pattern tells apart at that place have to be tried, and one that stands for all the rest.
 */
import {
  advance,
  isEnd,
  OTHER,
  scratchOf,
  startOf,
  type Instruction,
  type Program,
  type States,
  type Steps,
} from './pattern-program.js';

/** Most steps that a question, or several that share their `Steps`, may take; beyond, the answer is no. */
export const MAX_CONTAINMENT_STEPS = 500_000;

/** An outer pattern and where it is; those that can match no more are left out. */
interface Place {
  readonly index: number;
  readonly program: Program;
  readonly scratch: Uint8Array;
  readonly states: States;
}

/** What the text so far ends with. */
type Last = 'nothing' | 'first separator' | 'separator' | 'other';

interface Pair {
  readonly last: Last;
  readonly inner: number;
  readonly outers: readonly Place[];
}

/** Which texts there are: of a form with a separator, none that is empty, doubles separators, or ends with one. */
export interface Texts {
  /** The separator that is neither doubled nor at the end, but that the first character may be. */
  readonly separator?: number;
}

/**
 * Whether `inner` matches nothing but what some of `outers` match, of the texts that there are.
 * @param steps may be shared by several questions
 */
export function isContained(
  inner: Program,
  outers: readonly Program[],
  steps: Steps = { count: 0 },
  { separator }: Texts = {},
): boolean {
  const scratch = scratchOf(inner);
  const seen = new Set<string>();
  const open: Pair[] = [];
  const visit = (states: States, places: readonly Place[], last: Last): void => {
    if (places.some(takesAll)) return;
    const key = places.map(({ index, states }) => `${index}:${states.join()}`).join('|');
    for (const state of states) {
      const name = `${last}/${state}/${key}`;
      if (seen.has(name)) continue;
      seen.add(name);
      open.push({ inner: state, outers: places, last });
    }
  };
  visit(
    startOf(inner, steps),
    outers.map((program, index) => ({
      index,
      program,
      scratch: scratchOf(program),
      states: startOf(program, steps),
    })),
    'nothing',
  );
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const instruction = inner.instructions[pair.inner];
    if (instruction === undefined) {
      const isText = separator === undefined || (pair.last !== 'separator' && pair.last !== 'nothing');
      if (isText && !pair.outers.some(({ program, states }) => isEnd(program, states))) return false;
      continue;
    }
    for (const code of codesOf(instruction, pair.outers)) {
      if (steps.count > MAX_CONTAINMENT_STEPS) return false;
      const isSeparator = code === separator;
      if (isSeparator && (pair.last === 'separator' || pair.last === 'first separator')) continue;
      const next = advance(inner, [pair.inner], code, steps, scratch);
      if (next.length === 0) continue;
      const places: Place[] = [];
      for (const place of pair.outers) {
        const states = advance(place.program, place.states, code, steps, place.scratch);
        if (states.length > 0) places.push({ ...place, states });
      }
      const last = isSeparator ? (pair.last === 'nothing' ? 'first separator' : 'separator') : 'other';
      visit(next, places, separator === undefined ? 'other' : last);
    }
  }
  return true;
}

/** Whether it matches whatever may still come. */
function takesAll({ program: { instructions }, states }: Place): boolean {
  const last = instructions.at(-1);
  return last?.kind === 'run' && last.not === '' && states.includes(instructions.length - 1);
}

/** The characters that have to be tried at an instruction of the inner pattern. */
function codesOf(instruction: Instruction, outers: readonly Place[]): Iterable<number> {
  if (instruction.kind === 'char') return [instruction.code];
  const codes = new Set<number>([OTHER]);
  for (const { program, states } of outers) {
    for (const state of states) {
      const outer = program.instructions[state];
      if (outer?.kind === 'char') codes.add(outer.code);
      else if (outer?.kind === 'one' || outer?.kind === 'run')
        for (let at = 0; at < outer.not.length; at++) codes.add(outer.not.charCodeAt(at));
    }
  }
  return codes;
}
