/** `arcp fleet check`: explains every mistake of a task-spec file, with its place. */
import type { Command } from 'commander';
import type { Checked } from '../../fleet/spec/check.js';
import type { Problem } from '../../documents/problems.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { counted, problemLine, problemSum } from '../problem-lines.js';
import { printable } from '../text.js';

interface CheckOptions {
  readonly strict?: true;
  readonly json?: true;
}

export function addFleetCheck(fleet: Command, exit: (code: ExitCode) => void): void {
  fleet
    .command('check')
    .description('explain every mistake of a task-spec file; runs nothing')
    .argument('<file>', 'tasks in JSON, or by its ending in TOML or YAML')
    .option('--strict', 'take warnings for mistakes')
    .option('--json', 'print a problem a line, and the sum of them last')
    .action(async (file: string, options: CheckOptions) => {
      const checked = await load(file);
      const ok = passes(checked, options.strict === true);
      process.stdout.write(options.json === true ? jsonLines(file, checked, ok) : lines(file, checked));
      exit(ok ? EXIT.completed : EXIT.failed);
    });
}

export async function load(file: string): Promise<Checked> {
  // Loaded here, so that no other command waits for three parsers.
  const { loadSpec } = await import('../../fleet/spec/load.js');
  try {
    return await loadSpec(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.usage, `the spec cannot be read: ${reason}`, 'check the path', error);
  }
}

function passes({ spec, problems }: Checked, strict: boolean): boolean {
  return spec !== undefined && !(strict && problems.length > 0);
}

function lines(file: string, { spec, problems }: Checked): string {
  const parts = [
    ...(spec === undefined
      ? []
      : [counted(spec.tasks.length, 'task'), counted(spec.workers.length, 'worker')]),
    problemSum(problems),
  ];
  const all = [...problems.map((problem) => problemLine(file, problem)), `${file}: ${parts.join(', ')}`];
  return all.map((line) => `${printable(line)}\n`).join('');
}

function jsonLines(file: string, checked: Checked, ok: boolean): string {
  const { spec, problems } = checked;
  const last = {
    ok,
    file,
    ...(spec === undefined
      ? {}
      : { name: spec.name, tasks: spec.tasks.length, workers: spec.workers.length }),
    errors: of('error', problems),
    warnings: of('warning', problems),
  };
  return [...problems.map((problem) => ({ file, ...problem })), last]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
}

function of(severity: Problem['severity'], problems: readonly Problem[]): number {
  return problems.filter((problem) => problem.severity === severity).length;
}
