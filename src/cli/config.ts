/** `arcp config …`: explains a config file of `arcp serve`, and shows what it comes to. */
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Problem } from '../documents/problems.js';
import { limitsWith } from '../runtime/limits.js';
import type { CheckedConfig } from './config/check.js';
import { findConfig, loadConfig } from './config/load.js';
import { mergeSettings, settingsOf } from './config/settings.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { Failure } from './failure.js';
import { problemLine, problemSum } from './problem-lines.js';
import { DEFAULT_SETTINGS } from './serving/settings.js';
import { printable } from './text.js';

const FILE = 'default: the arcp.config.json, .js or .mjs of this folder';

export function addConfig(program: Command, exit: (code: ExitCode) => void): void {
  const config = program.command('config').description('explain the config file of `arcp serve`');
  config
    .command('check')
    .description('explain every mistake of a config file; hosts nothing')
    .argument('[file]', FILE)
    .option('--json', 'print a problem a line, and the sum of them last')
    .action(async (given: string | undefined, options: { readonly json?: true }) => {
      const file = given ?? foundHere();
      const checked = await loadConfig(file, process.env);
      process.stdout.write(options.json === true ? jsonLines(file, checked) : lines(file, checked));
      exit(checked.config === undefined ? EXIT.failed : EXIT.completed);
    });
  config
    .command('show')
    .description('print what a config file comes to, defaults included, as JSON; it has no secrets')
    .argument('[file]', FILE)
    .action(async (given: string | undefined) => {
      const file = given ?? foundHere();
      const { config: found } = await loadConfig(file, process.env);
      if (found === undefined) throw mistaken(file);
      const settings = mergeSettings(DEFAULT_SETTINGS, settingsOf(found, dirname(resolve(file))), {});
      const { tokens: _tokens, json: _json, limits, ...rest } = settings;
      process.stdout.write(`${JSON.stringify({ ...rest, limits: limitsWith(limits) }, null, 2)}\n`);
    });
}

/** For a command that cannot go on with such a file. */
export function mistaken(file: string): Failure {
  return new Failure(EXIT.usage, `${file} has mistakes`, `\`arcp config check ${file}\` explains them`);
}

function foundHere(): string {
  const found = findConfig('.');
  if (found !== undefined) return found;
  throw new Failure(EXIT.usage, 'there is no config file here', 'name one, or make an arcp.config.json');
}

function lines(file: string, { problems }: CheckedConfig): string {
  const all = [...problems.map((problem) => problemLine(file, problem)), `${file}: ${problemSum(problems)}`];
  return all.map((line) => `${printable(line)}\n`).join('');
}

function jsonLines(file: string, { config, problems }: CheckedConfig): string {
  const count = (severity: Problem['severity']): number =>
    problems.filter((problem) => problem.severity === severity).length;
  const last = { ok: config !== undefined, file, errors: count('error'), warnings: count('warning') };
  return [...problems.map((problem) => ({ file, ...placed(problem) })), last]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
}

/** Without a place where the file is a program. */
function placed({ line, column, ...problem }: Problem): object {
  return line === 0 ? problem : { ...problem, line, column };
}
