/** The variables of a task's processes: those that its spec names, and no other. */
import type { FleetTaskSpec } from '../../protocol/fleet/index.js';

type Variables = Readonly<Record<string, string | undefined>>;

/** What the allowlist lets through, and what is required, as far as it is set. */
export function taskEnvironment({ workspace }: FleetTaskSpec, env: Variables): Record<string, string> {
  const { required = [], allowlist = [] } = workspace?.environment ?? {};
  const passed = [...required, ...allowlist].flatMap((name) => {
    // A process finds its programs by a path of ours (`agent-process.ts`, K1).
    const value = name === 'PATH' || !Object.hasOwn(env, name) ? undefined : env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(passed);
}

/** The required variables that are not set. */
export function missingVariables({ workspace }: FleetTaskSpec, env: Variables): readonly string[] {
  const required = workspace?.environment?.required ?? [];
  return required.filter((name) => !Object.hasOwn(env, name) || env[name] === undefined || env[name] === '');
}
