/**
 * Patterns as small programs, and how they are run over a text. No pattern is ever given to a regex engine.
 *
 * (P1) All states that a text can lead to are followed at once, so that nothing is tried twice: the steps are at most
 *      (length of the text + 1) × (length of the program + 1), whatever pattern and text are.
 * (P2) A pattern is anchored: the whole text has to match.
 * (P3) A state is dropped where a later one that was reached too takes all that it takes. What matches is the same;
 *      there is less to follow.
 */

/** One instruction. Characters are UTF-16 units; both sides are well-formed text, so that no pair is cut. */
export type Instruction =
  /** This character. */
  | { readonly kind: 'char'; readonly code: number }
  /** One character that is not among these. */
  | { readonly kind: 'one'; readonly not: string }
  /** Any number of characters that are not among these, also none. */
  | { readonly kind: 'run'; readonly not: string }
  /** What lies before `to` may be left out. */
  | { readonly kind: 'skip'; readonly to: number };

export interface Program {
  readonly instructions: readonly Instruction[];
  /** For each run, the first state of those before it that take no more than it does (P3). */
  readonly covers: readonly number[];
}

/** A character that no pattern names: what is so of it is so of all of those. */
export const OTHER = -1;

/** Counts what a match or a containment costs, and stops the latter at its limit. */
export interface Steps {
  count: number;
}

function isAmong(code: number, characters: string): boolean {
  return code !== OTHER && characters.includes(String.fromCharCode(code));
}

/** States in ascending order; the state after the last instruction is the end. */
export type States = readonly number[];

function takes(instruction: Instruction, code: number): boolean {
  switch (instruction.kind) {
    case 'char':
      return instruction.code === code;
    case 'one':
    case 'run':
      return !isAmong(code, instruction.not);
    case 'skip':
      return false;
  }
}

/** The states that can be reached from `marked` without a character. `marked` is cleared. */
function closed(
  { instructions, covers }: Program,
  marked: Uint8Array,
  low: number,
  high: number,
  steps: Steps,
): number[] {
  const states: number[] = [];
  for (let state = low; state <= high; state++) {
    steps.count += 1;
    if (marked[state] === 0) continue;
    marked[state] = 0;
    const instruction = instructions[state];
    if (instruction?.kind === 'skip') {
      marked[state + 1] = 1;
      marked[instruction.to] = 1;
      high = Math.max(high, instruction.to);
      continue;
    }
    if (instruction?.kind === 'run') {
      marked[state + 1] = 1;
      high = Math.max(high, state + 1);
      const covered = covers[state] ?? state;
      while ((states.at(-1) ?? -1) >= covered) states.pop();
    }
    states.push(state);
  }
  return states;
}

/** Room for `advance` to work in; it is left clear. */
export function scratchOf(program: Program): Uint8Array {
  return new Uint8Array(program.instructions.length + 1);
}

export function startOf(program: Program, steps: Steps): States {
  const marked = scratchOf(program);
  marked[0] = 1;
  return closed(program, marked, 0, 0, steps);
}

/** Where a character leads to. */
export function advance(
  program: Program,
  states: States,
  code: number,
  steps: Steps,
  marked = scratchOf(program),
): States {
  let low = -1;
  let high = -1;
  for (const state of states) {
    const instruction = program.instructions[state];
    if (instruction === undefined || !takes(instruction, code)) continue;
    const next = instruction.kind === 'run' ? state : state + 1;
    marked[next] = 1;
    if (low === -1) low = next;
    high = Math.max(high, next);
  }
  return low === -1 ? [] : closed(program, marked, low, high, steps);
}

/** Whether states of this program are its end. */
export function isEnd(program: Program, states: States): boolean {
  return states.at(-1) === program.instructions.length;
}

/** Whether the whole text matches (P2). */
export function matchesProgram(program: Program, text: string, steps: Steps = { count: 0 }): boolean {
  const marked = scratchOf(program);
  let states = startOf(program, steps);
  for (let at = 0; at < text.length; at++) {
    states = advance(program, states, text.charCodeAt(at), steps, marked);
    if (states.length === 0) return false;
  }
  return isEnd(program, states);
}

/** Writes a program, front to back. */
export class ProgramWriter {
  readonly #instructions: Instruction[] = [];

  chars(text: string): this {
    for (let at = 0; at < text.length; at++)
      this.#instructions.push({ kind: 'char', code: text.charCodeAt(at) });
    return this;
  }

  one(not: string): this {
    this.#instructions.push({ kind: 'one', not });
    return this;
  }

  run(not: string): this {
    this.#instructions.push({ kind: 'run', not });
    return this;
  }

  /** What `write` adds may be left out. */
  optional(write: (writer: this) => void): this {
    const at = this.#instructions.length;
    this.#instructions.push({ kind: 'skip', to: at });
    write(this);
    this.#instructions[at] = { kind: 'skip', to: this.#instructions.length };
    return this;
  }

  done(): Program {
    const instructions = this.#instructions;
    return { instructions, covers: instructions.map((_, at) => coveredFrom(instructions, at)) };
  }
}

/**
 * The first of the states before a run that take no more than it (P3): everything between them and the run is something
 * that the run takes too, or leads to the run or right behind it.
 */
function coveredFrom(instructions: readonly Instruction[], at: number): number {
  const run = instructions[at];
  if (run?.kind !== 'run') return at;
  let first = at;
  for (let before = at - 1; before >= 0; before--) {
    const instruction = instructions[before];
    if (instruction === undefined || !isCovered(instruction, run.not, at)) break;
    first = before;
  }
  return first;
}

function includesAll(characters: string, some: string): boolean {
  for (let at = 0; at < some.length; at++) if (!characters.includes(some.charAt(at))) return false;
  return true;
}

function isCovered(instruction: Instruction, not: string, at: number): boolean {
  switch (instruction.kind) {
    case 'char':
      return !isAmong(instruction.code, not);
    case 'one':
    case 'run':
      return includesAll(instruction.not, not);
    case 'skip':
      return instruction.to <= at + 1;
  }
}
