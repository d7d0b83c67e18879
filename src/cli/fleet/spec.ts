/** A task-spec file that is to be used: its mistakes are told, and end the command. */
import type { FleetSpec } from '../../fleet/spec/document.js';
import type { Client } from '../../client/index.js';
import { EXIT } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { counted, problemLine } from '../problem-lines.js';
import { printable } from '../text.js';
import { load } from './check.js';

/** Warnings go to stderr. @throws Failure where it has a mistake. */
export async function specIn(file: string): Promise<FleetSpec> {
  const { spec, problems } = await load(file);
  for (const problem of problems) process.stderr.write(`${printable(problemLine(file, problem))}\n`);
  if (spec !== undefined) return spec;
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  throw new Failure(
    EXIT.usage,
    `${file} has ${counted(errors, 'mistake')}`,
    'they stand above, with their places',
  );
}

/** Specs that are longer as text travel as an artifact: frames have their bounds. */
const MAX_INLINE = 262_144;

/** As long as a runtime keeps any by default; a run reads it again after each crash. */
const RETAIN_SECONDS = 7 * 86_400;

/** What `fleet.run` is started with. */
export async function argumentsFor(
  client: Client,
  spec: FleetSpec,
  options: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const text = JSON.stringify(spec);
  if (text.length <= MAX_INLINE) return { ...spec, options };
  const { artifact_id: artifact } = await client.artifacts.put(text, {
    mediaType: 'application/json',
    retainSeconds: RETAIN_SECONDS,
  });
  return { artifact, options };
}
