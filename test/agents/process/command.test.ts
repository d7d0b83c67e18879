/** Commands of agents: words without a shell (M1), and the files that they name (M2, M3). */
import fc from 'fast-check';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { locate, wordsOf } from '../../../src/agents/process/command.js';

describe('the words of a command', () => {
  it.each([
    ['python3 a.py', ['python3', 'a.py']],
    ['  a \t b  ', ['a', 'b']],
    [`sh -c 'echo "$HOME" | wc'`, ['sh', '-c', 'echo "$HOME" | wc']],
    [String.raw`a "b \"c\" \\ \d"`, ['a', String.raw`b "c" \ \d`]],
    [String.raw`a\ b '\' ""`, ['a b', '\\', '']],
    [`a'b'"c"d`, ['abcd']],
    ['echo $HOME * > x', ['echo', '$HOME', '*', '>', 'x']],
  ])('are parted in %s', (command, words) => {
    expect(wordsOf(command)).toEqual(words);
  });

  it.each([
    ['', 'expected a program'],
    ["''", 'expected a program'],
    [`a 'b`, "a ' without its other half"],
    [`a "b\\"`, 'a " without its other half'],
    ['a \\', 'a \\ at the end takes nothing'],
    ['a\0b', 'without NUL'],
  ])('are not taken of %j', (command, why) => {
    expect(() => wordsOf(command)).toThrow(why);
  });

  it('law: whatever words are, quoted they come back', () => {
    const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && text.isWellFormed());
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
        fc.pre(words[0] !== '');
        const quoted = words.map((one) => `"${one.replaceAll(/["\\]/g, String.raw`\$&`)}"`);
        expect(wordsOf(quoted.join(' '))).toEqual(words);
      }),
    );
  });
});

describe('the files of a command', () => {
  let folder: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-command-')));
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub/agent.py'), '');
    writeFileSync(join(folder, 'run'), '#!/bin/sh\n');
    chmodSync(join(folder, 'run'), 0o755);
    symlinkSync(join(folder, 'run'), join(folder, 'linked'));
    writeFileSync(join(folder, 'notrun'), '');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('are given as absolute paths, and nothing else of the words changes (M2)', async () => {
    const { program, words, files } = await locate(['sh', 'sub/agent.py', '-x', 'sub', 'no'], folder, '');
    expect(words).toEqual([join(folder, 'sub/agent.py'), '-x', 'sub', 'no']);
    expect(program).toMatch(/\/sh$/);
    expect(files.map(({ path }) => path)).toEqual([program, join(folder, 'sub/agent.py')]);
  });

  it('a program is looked for among the system first, then in PATH (M3)', async () => {
    const path = `relative:${folder}`;
    expect((await locate(['run'], '/', path)).program).toBe(join(folder, 'run'));
    expect((await locate(['./linked'], folder, '')).files).toEqual([
      { path: join(folder, 'linked'), real: join(folder, 'run') },
    ]);
  });

  it.each(['nowhere-to-be-found', './notrun', './sub'])('%s is no program', async (name) => {
    await expect(locate([name], folder, folder)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
