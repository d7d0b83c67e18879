/** The build takes the place of the earlier one as a whole, or leaves it alone. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OPTIONS = { rootDir: '.', outDir: '../dist', module: 'nodenext', types: [], skipLibCheck: true };

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-build-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir');
  for (const name of ['src', 'dist']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'src/tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
  writeFileSync(join(folder, 'dist/earlier.js'), '');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function build(source: string) {
  writeFileSync(join(folder, 'src/later.ts'), source);
  const { status } = spawnSync(process.execPath, [join(ROOT, '.ci/build.mjs')], { cwd: folder });
  return { status, dist: readdirSync(join(folder, 'dist')), all: readdirSync(folder).sort() };
}

it('a build that fails leaves the earlier one as it was, and nothing else behind', () => {
  expect(build('export const n: number = "no number";')).toEqual({
    status: 2,
    dist: ['earlier.js'],
    all: ['dist', 'node_modules', 'src'],
  });
}, 30_000);

it('a build that succeeds leaves nothing of the earlier one', () => {
  expect(build('export const n = 1;')).toEqual({
    status: 0,
    dist: ['later.js'],
    all: ['dist', 'node_modules', 'src'],
  });
}, 30_000);
