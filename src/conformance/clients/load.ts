/** Reads the cases for clients; all faults of all files are told at once, as with scenarios. */
import { readdirSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { FIXTURES, placed } from '../scenarios/load.js';
import { faultsOf } from '../scenarios/matcher.js';
import { readRequirements, type Requirement } from '../scenarios/requirements.js';
import { clientCaseSchema, type ClientCase } from './case.js';

export interface ClientSuite {
  readonly cases: readonly ClientCase[];
  readonly requirements: ReadonlyMap<string, Requirement>;
}

const document = z.strictObject({
  about: z.string(),
  format: z.string(),
  cases: z.array(z.unknown()).min(1),
});

/** @throws Error with one line a fault. */
export function loadClientSuite(root: URL = FIXTURES): ClientSuite {
  const requirements = readRequirements(
    readFileSync(new URL('requirements.json', root), 'utf8'),
    'requirements.json',
  );
  const folder = new URL('client-cases/', root);
  const cases: ClientCase[] = [];
  const faults: string[] = [];
  for (const file of readdirSync(folder).sort()) {
    const read = readClientCases(readFileSync(new URL(file, folder), 'utf8'), file);
    faults.push(...read.faults);
    for (const one of read.cases) {
      if (cases.some(({ id }) => id === one.id)) faults.push(`${file}: ${one.id}: stands there twice`);
      for (const id of one.requirements) {
        if (!requirements.has(id)) faults.push(`${file}: ${one.id}: there is no requirement ${id}`);
      }
      cases.push(one);
    }
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return { cases, requirements };
}

/** The cases of one file, and what is wrong with it. */
export function readClientCases(
  text: string,
  file: string,
): { readonly cases: readonly ClientCase[]; readonly faults: readonly string[] } {
  const read = document.safeParse(JSON.parse(text));
  if (!read.success) return { cases: [], faults: placed(file, read.error) };
  const cases: ClientCase[] = [];
  const faults: string[] = [];
  for (const [index, one] of read.data.cases.entries()) {
    const parsed = clientCaseSchema.safeParse(one);
    if (!parsed.success) {
      faults.push(...placed(`${file}: case ${index}`, parsed.error));
      continue;
    }
    const { id, report, counts, never, runtime } = parsed.data;
    const inside = [
      ...faultsOf(report, 'report'),
      ...faultsOf(never, 'never'),
      ...counts.flatMap(({ of, is }) => [...faultsOf(of, 'counts.of'), ...faultsOf(is, 'counts.is')]),
      ...runtime.flatMap((step, at) => ('await' in step ? faultsOf(step.await, `runtime[${at}]`) : [])),
    ];
    faults.push(...inside.map((fault) => `${file}: ${id}: ${fault}`));
    cases.push({ ...parsed.data, topic: `client/${file.replace(/\.json$/, '')}` });
  }
  return { cases, faults };
}
