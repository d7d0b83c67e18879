/**
 * What the language asks of a runtime, as data: `spec-fixtures/requirements.json`.
 *
 * An id cites its place: a letter for the text, the section, and a number within it. `C-10.3-2` is the second of RFC 0001
 * §10.3 (classic), `D-8.3-1` the first of draft-1.1 §8.3, `S-chunks-1` of the published Rust types, `P-12-1` of this
 * project's decision 12, where the texts leave a choice.
 */
import * as z from 'zod';
import { DIALECTS } from './scenario.js';

export const LEVELS = ['must', 'should', 'choice'] as const;
export type Level = (typeof LEVELS)[number];

const requirement = z.strictObject({
  id: z.string().regex(/^[CDSP]-[a-z0-9.]+-\d+$/, 'expected an id like C-10.3-2'),
  /** What is required. */
  shows: z.string().min(1),
  /** Where. */
  source: z.string().min(1),
  level: z.enum(LEVELS),
  dialect: z.enum([...DIALECTS, 'both']),
  /** Of whom it is asked. */
  asks: z.enum(['runtime', 'client']).default('runtime'),
  /** What can be seen of it from outside. */
  observed: z.string().min(1),
});

export type Requirement = z.output<typeof requirement>;

const document = z.strictObject({
  about: z.string(),
  format: z.string(),
  cases: z.array(requirement).min(1),
});

/** By id. Throws an Error that names each fault and its place. */
export function readRequirements(text: string, file: string): ReadonlyMap<string, Requirement> {
  const read = document.safeParse(JSON.parse(text));
  if (!read.success) {
    const faults = read.error.issues.map(({ path, message }) => `${file}: ${path.join('.')}: ${message}`);
    throw new Error(faults.join('\n'));
  }
  const requirements = new Map<string, Requirement>();
  for (const one of read.data.cases) {
    if (requirements.has(one.id)) throw new Error(`${file}: ${one.id} stands there twice`);
    requirements.set(one.id, one);
  }
  return requirements;
}

/** The highest level among them: what a scenario that cites them is worth. */
export function levelOf(requirements: readonly Requirement[]): Level {
  return LEVELS.find((level) => requirements.some((one) => one.level === level)) ?? 'choice';
}
