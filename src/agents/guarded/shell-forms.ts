/**
 * The commands of the `read_only` shell policy: an allow-list of forms, not a guess at what a command line might do.
 *
 * (S1) A command is taken when each of its words is one that its form knows. No option that writes, runs another
 *      program, follows links or reads names out of a file is in any form.
 * (S2) The paths of a form are known too, so that the lease is asked about each of them: about the file, or about all
 *      that is below a folder.
 */
import { ArcpError } from '../../protocol/errors.js';

/** A path that a command reads, by itself or with all that is below it. */
export interface ReadPath {
  readonly path: string;
  readonly deep: boolean;
  /** Whether it may not be a folder, whose files and links the command would read without naming them. */
  readonly fileOnly: boolean;
}

interface Form {
  /** Options of one letter that take no value; they may stand together: `-la`. */
  readonly flags: string;
  /** Options whose value is the next word. */
  readonly valued: readonly string[];
  /** Words before the paths: a pattern. */
  readonly words?: number;
  /** Whether it reads all below its paths: always, or with one of these letters. */
  readonly deep?: boolean | string;
  readonly fileOnly?: boolean;
  /** Whether it reads the working directory when no path is given. Else it would read its input, which is empty. */
  readonly reads?: boolean;
  /** Options after the paths, as `find` has them: those with a value, and those without. */
  readonly after?: { readonly valued: readonly string[]; readonly plain: readonly string[] };
}

const FORMS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ['cat', { flags: 'nbsAET', valued: [] }],
  ['head', { flags: 'qv', valued: ['-n', '-c'] }],
  ['tail', { flags: 'qv', valued: ['-n', '-c'] }],
  ['wc', { flags: 'lwcm', valued: [] }],
  ['ls', { flags: 'lahA1dtrsSpFiR', valued: [], deep: 'R', reads: true }],
  ['stat', { flags: '', valued: ['-c'] }],
  ['du', { flags: 'shac', valued: ['-d'], deep: true, reads: true }],
  ['diff', { flags: 'uqbBwi', valued: ['-U'], fileOnly: true }],
  ['cmp', { flags: 'sl', valued: [] }],
  ['sha256sum', { flags: '', valued: [] }],
  [
    'grep',
    {
      flags: 'EFilnvcwxhHoqrsI',
      valued: ['-m', '-A', '-B', '-C'],
      words: 1,
      deep: 'r',
      reads: true,
    },
  ],
  [
    'find',
    {
      flags: '',
      valued: [],
      deep: true,
      reads: true,
      after: {
        valued: ['-name', '-iname', '-path', '-type', '-maxdepth', '-mindepth', '-size', '-mtime', '-mmin'],
        plain: ['-print', '-print0', '-not', '-o', '-empty'],
      },
    },
  ],
  ['pwd', { flags: 'LP', valued: [] }],
  ['echo', { flags: 'n', valued: [], words: Infinity }],
  ['true', { flags: '', valued: [] }],
]);

export const READ_ONLY_COMMANDS: readonly string[] = [...FORMS.keys()];

function refuse(what: string): never {
  throw new ArcpError('PERMISSION_DENIED', `the shell is read-only: ${what}`);
}

/** The paths that a command reads. Throws PERMISSION_DENIED for what is not in the list. */
export function readOnlyPaths(argv: readonly string[]): readonly ReadPath[] {
  const [command = '', ...words] = argv;
  const form = FORMS.get(command);
  if (form === undefined) refuse(`${JSON.stringify(command)} is not one of ${READ_ONLY_COMMANDS.join(', ')}`);
  const paths: string[] = [];
  let left = form.words ?? 0;
  let deep = form.deep === true;
  let isPlain = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (!isPlain && word === '--') {
      isPlain = true;
    } else if (isPlain || !word.startsWith('-') || word === '-') {
      if (word === '-' && left === 0) refuse('- is its input, which it has none of');
      if (left > 0) left -= 1;
      else paths.push(word);
    } else if (form.valued.includes(word) || form.after?.valued.includes(word) === true) {
      if (words[at + 1] === undefined) refuse(`${word} needs a value`);
      at += 1;
    } else if (form.after?.plain.includes(word) !== true) {
      const letters = word.slice(1);
      if (letters === '' || !Array.from(letters).every((letter) => form.flags.includes(letter)))
        refuse(`${command} does not take ${JSON.stringify(word)} here`);
      const letter = typeof form.deep === 'string' ? form.deep : undefined;
      if (letter !== undefined && letters.includes(letter)) deep = true;
    }
  }
  if (paths.length === 0 && form.reads === true) paths.push('.');
  return paths.map((path) => ({ path, deep, fileOnly: form.fileOnly === true }));
}
