/**
 * The command of an agent: its words, and which files they name.
 *
 * (M1) No shell reads it. Words are parted by spaces and tabs. Between '…' everything is itself; between "…" too, but that
 *      \" and \\ are a quotation mark and a backslash; outside of both, \ takes the next character as it is. There are no
 *      variables, patterns, pipes or redirections: for those, name a shell (`sh -c '…'`).
 * (M2) The process runs in a folder of its own, so that the words that name a file as seen from the base folder are given
 *      to it as absolute paths. Words that begin with `-`, and names of folders, are left as they are.
 * (M3) A program that is named without a slash is looked for among the system's programs first, and then in `PATH`: walls
 *      leave the system's in sight.
 */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';

/** Where a process finds the system's programs. */
export const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

/** Of one command, so that it fits what a system takes. */
const MAX_WORDS = 1_000;

/** Splits a command (M1). Throws INVALID_ARGUMENT for a quotation that does not end, and for no words at all. */
export function wordsOf(command: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < command.length; at++) {
    const char = command.charAt(at);
    if (char === ' ' || char === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'" || char === '"') {
      const [text, end] = quoted(command, at);
      word = (word ?? '') + text;
      at = end;
    } else if (char === '\\') {
      at += 1;
      if (at === command.length) throw malformed('a \\ at the end takes nothing');
      word = (word ?? '') + command.charAt(at);
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  checkWords(words);
  return words;
}

/** What stands between the mark at `start` and the next one, and where that is. */
function quoted(command: string, start: number): [string, number] {
  const mark = command.charAt(start);
  let text = '';
  for (let at = start + 1; at < command.length; at++) {
    const char = command.charAt(at);
    if (char === mark) return [text, at];
    const next = command.charAt(at + 1);
    const isEscape = mark === '"' && char === '\\' && (next === '"' || next === '\\');
    if (isEscape) at += 1;
    text += isEscape ? next : char;
  }
  throw malformed(`a ${mark} without its other half`);
}

function malformed(what: string): ArcpError {
  return new ArcpError('INVALID_ARGUMENT', `command: ${what}`);
}

/** Throws INVALID_ARGUMENT for what no process can be started with. */
export function checkWords(words: readonly string[]): void {
  if (words.length === 0 || words[0] === '') throw malformed('expected a program');
  if (words.length > MAX_WORDS) throw malformed(`expected at most ${MAX_WORDS} words`);
  if (words.some((word) => typeof word !== 'string' || word.includes('\0') || !word.isWellFormed()))
    throw malformed('expected words without NUL and lone surrogates');
}

/** A command that can be started. */
export interface LocatedCommand {
  /** Absolute; its folder is a real one, it may be a link. */
  readonly program: string;
  readonly words: readonly string[];
  /** The files that it names, the program included, each where it is named and where it really is. */
  readonly files: readonly NamedFile[];
}

export interface NamedFile {
  readonly path: string;
  readonly real: string;
}

/** Finds the program and the files of a command (M2, M3). Throws FAILED_PRECONDITION where there is no such program. */
export async function locate(argv: readonly string[], base: string, path: string): Promise<LocatedCommand> {
  const [name = '', ...rest] = argv;
  const program = await programFile(name, base, path);
  if (program === undefined)
    throw new ArcpError('FAILED_PRECONDITION', `${name}: there is no such program, or it cannot be run`);
  const files = [program];
  const words: string[] = [];
  for (const word of rest) {
    const file = word === '' || word.startsWith('-') ? undefined : await namedFile(resolve(base, word));
    if (file !== undefined) files.push(file);
    words.push(file?.path ?? word);
  }
  return { program: program.path, words, files };
}

async function programFile(name: string, base: string, path: string): Promise<NamedFile | undefined> {
  if (name.includes('/')) return runnable(resolve(base, name));
  for (const folder of [...SYSTEM_PATH.split(':'), ...path.split(delimiter)]) {
    if (!folder.startsWith('/')) continue;
    const found = await runnable(join(folder, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function runnable(path: string): Promise<NamedFile | undefined> {
  const file = await namedFile(path);
  if (file === undefined) return undefined;
  return access(file.real, constants.X_OK).then(
    () => file,
    () => undefined,
  );
}

async function namedFile(path: string): Promise<NamedFile | undefined> {
  try {
    if (!(await stat(path)).isFile()) return undefined;
    return { path: join(await realpath(dirname(path)), basename(path)), real: await realpath(path) };
  } catch {
    return undefined;
  }
}
