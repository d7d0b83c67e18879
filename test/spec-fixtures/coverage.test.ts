import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FIXTURES_ROOT, fixtureCases, READERS, type FixtureFile } from './load.js';

const TESTS_ROOT = new URL('../', import.meta.url);
const files = Object.keys(READERS) as FixtureFile[];

/** Without comments, so that a reader that is only mentioned, or commented out, does not count. */
function code(path: URL): string {
  return readFileSync(path, 'utf8')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\/\*[^]*?\*\//g, '');
}

describe('spec-fixtures', () => {
  it('are all read by a test: the files on disk are the files in the table of readers', () => {
    const onDisk = readdirSync(FIXTURES_ROOT, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.replaceAll('\\', '/'));
    expect(onDisk.toSorted()).toEqual(files.toSorted());
  });

  it.each(files)('%s is loaded, and each of its cases run, by the test that the table names', (file) => {
    const path = new URL(READERS[file], TESTS_ROOT);
    expect(existsSync(path), `${READERS[file]} exists`).toBe(true);
    const source = code(path);
    expect(source).toContain('fixtureCases');
    expect(source).toContain(`'${file}'`);
    expect(source, 'makes a test of every case').toMatch(/\b(it|describe)\.each\(/);
    expect(source, 'skips nothing').not.toMatch(/\.(skip|only|todo|skipIf|runIf)\b/);
  });

  it('have ids that are unique over all files', () => {
    const seen = new Map<string, FixtureFile>();
    const repeated: string[] = [];
    for (const file of files) {
      for (const { id } of fixtureCases(file)) {
        const other = seen.get(id);
        if (other !== undefined) repeated.push(`${id} in ${other} and ${file}`);
        seen.set(id, file);
      }
    }
    expect(repeated).toEqual([]);
  });
});
