/**
 * Reads the scenarios and the requirements that they cite. All faults of all files are told at once, each with the file,
 * the scenario and the place within it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { faultsOf } from './matcher.js';
import { readRequirements, type Requirement } from './requirements.js';
import { scenarioSchema, type Scenario, type SingleStep, type Step } from './scenario.js';
import { unknownNames } from './variables.js';

export interface Suite {
  readonly scenarios: readonly Scenario[];
  readonly requirements: ReadonlyMap<string, Requirement>;
}

/** `spec-fixtures/` as it is shipped beside the compiled code, and as it stands beside `src`. */
export const FIXTURES = new URL('../../../spec-fixtures/', import.meta.url);

const document = z.strictObject({ about: z.string(), cases: z.array(z.unknown()).min(1) });

/** @throws Error with one line a fault. */
export function loadSuite(root: URL = FIXTURES): Suite {
  const requirements = readRequirements(
    readFileSync(new URL('requirements.json', root), 'utf8'),
    'requirements.json',
  );
  const folder = new URL('scenarios/', root);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.json'))
    .sort();
  const scenarios: Scenario[] = [];
  const faults: string[] = [];
  const homes = new Map<string, string>();
  for (const file of files) {
    const read = readScenarios(readFileSync(new URL(file, folder), 'utf8'), file);
    faults.push(...read.faults);
    for (const scenario of read.scenarios) {
      const home = homes.get(scenario.id);
      if (home !== undefined) faults.push(`${file}: ${scenario.id}: stands in ${home} already`);
      homes.set(scenario.id, file);
      for (const id of scenario.requirements) {
        if (!requirements.has(id)) faults.push(`${file}: ${scenario.id}: there is no requirement ${id}`);
      }
      scenarios.push(scenario);
    }
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return { scenarios, requirements };
}

/** The scenarios of one file, and what is wrong with it. */
export function readScenarios(
  text: string,
  file: string,
): { readonly scenarios: readonly Scenario[]; readonly faults: readonly string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { scenarios: [], faults: [`${file}: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const read = document.safeParse(json);
  if (!read.success) return { scenarios: [], faults: placed(file, read.error) };
  const scenarios: Scenario[] = [];
  const faults: string[] = [];
  for (const [index, one] of read.data.cases.entries()) {
    const name = idOf(one) ?? `case ${index}`;
    const scenario = scenarioSchema.safeParse(one);
    if (!scenario.success) {
      faults.push(...placed(`${file}: ${name}`, scenario.error));
      continue;
    }
    const inside = [...matcherFaults(scenario.data.steps), ...unknownNames(scenario.data)];
    faults.push(...inside.map((fault) => `${file}: ${name}: ${fault}`));
    scenarios.push({ ...scenario.data, topic: file.replace(/\.json$/, '') });
  }
  return { scenarios, faults };
}

function idOf(value: unknown): string | undefined {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  return typeof id === 'string' ? id : undefined;
}

export function placed(where: string, error: z.ZodError): string[] {
  return error.issues.map(({ path, message }) => `${where}: ${pathText(path)}${message}`);
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '';
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return `${text.replace(/^\./, '')}: `;
}

function matcherFaults(steps: readonly Step[], place = ''): string[] {
  return steps.flatMap((step, index) => {
    const at = `${place}steps[${index}]`;
    return 'repeat' in step ? matcherFaults(step.steps, `${at}.`) : faultsOfStep(step, at);
  });
}

function faultsOfStep(step: SingleStep, at: string): string[] {
  if ('expect' in step)
    return [...faultsOf(step.expect, `${at}.expect`), ...faultsOf(step.never, `${at}.never`)];
  if ('expect_all' in step) return faultsOf(step.expect_all, `${at}.expect_all`);
  if ('expect_nothing' in step) return faultsOf(step.expect_nothing, `${at}.expect_nothing`);
  if ('absent' in step) return faultsOf(step.absent, `${at}.absent`);
  if ('count' in step) return [...faultsOf(step.count, `${at}.count`), ...faultsOf(step.is, `${at}.is`)];
  if ('expect_close' in step) return faultsOf(step.code, `${at}.code`);
  return [];
}
