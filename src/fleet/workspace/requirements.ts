/** What a task asks for before it begins (fleet.rs `FleetWorkspaceRequirements`). */
import { missingVariables } from '../commands/environment.js';
import type { FleetTaskSpec } from '../../protocol/fleet/index.js';
import { openInWorkspace } from './workspace-file.js';

/**
 * What is not there, in words; `undefined` where nothing is missing.
 * @param workspace absolute, with its links followed
 */
export async function unmetRequirement(
  spec: FleetTaskSpec,
  workspace: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  for (const path of [...(spec.workspace?.required_files ?? []), ...(spec.input_files ?? [])]) {
    const opened = await openInWorkspace(workspace, path);
    if (!opened.ok) return `the required file ${path} is not there: ${opened.why}`;
    await opened.file.close();
  }
  const [missing] = missingVariables(spec, env);
  return missing === undefined ? undefined : `the required environment variable ${missing} is not set`;
}
