import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arcp, jsonLines } from './arcp.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-fleet-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const GOOD = '[[tasks]]\nid = "a"\nname = "A"\ninstructions = "x"\n';

describe('arcp fleet check', () => {
  it('passes a file without a mistake', async () => {
    const path = file('good.toml', GOOD);
    expect(await arcp(['fleet', 'check', path])).toEqual({
      code: 0,
      stdout: `${path}: 1 task, 0 workers, 0 errors, 0 warnings\n`,
      stderr: '',
    });
  });

  it('shows each mistake as editors read it, and fails', async () => {
    const path = file('bad.toml', `${GOOD}sorcer = 1\n[[tasks]]\nid = "a"\nname = "B\u009b"\n`);
    const { code, stdout } = await arcp(['fleet', 'check', path]);
    expect(code).toBe(1);
    expect(stdout).toBe(
      `${path}:5:1: warning: tasks[0].sorcer: unknown key, it is ignored, did you mean "scorer"?\n` +
        `${path}:6:1: error: tasks[1].instructions: missing, expected a string\n` +
        `${path}:7:6: error: tasks[1].id: another task has this id\n` +
        `${path}: 2 errors, 1 warning\n`,
    );
  });

  it('tells programs the same, one problem a line and the sum last', async () => {
    const path = file('bad.json', '{"id": "a", "name": "A",\n "instructions": ""}');
    const { code, stdout } = await arcp(['fleet', 'check', '--json', path]);
    expect(code).toBe(1);
    expect(jsonLines(stdout)).toEqual([
      {
        file: path,
        severity: 'error',
        line: 2,
        column: 18,
        path: 'instructions',
        message: 'expected instructions, not blank',
      },
      { ok: false, file: path, errors: 1, warnings: 0 },
    ]);
  });

  it('takes warnings for mistakes when it is told to', async () => {
    const path = file('warned.toml', `${GOOD}extra = 1\n`);
    expect((await arcp(['fleet', 'check', path])).code).toBe(0);
    expect((await arcp(['fleet', 'check', '--strict', path])).code).toBe(1);
    const { stdout } = await arcp(['fleet', 'check', '--json', path]);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ ok: true, name: 'warned', tasks: 1, warnings: 1 });
  });

  it('says so when there is nothing to check', async () => {
    for (const path of [join(folder, 'nowhere.toml'), folder]) {
      const { code, stderr } = await arcp(['fleet', 'check', path]);
      expect(code).toBe(2);
      expect(stderr).toContain('the spec cannot be read');
    }
  });
});
