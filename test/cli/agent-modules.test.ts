import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAgents } from '../../src/cli/agent-modules.js';
import { tmpdir } from 'node:os';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-modules-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const AGENT = (name: string): string =>
  `{ name: '${name}', version: '1.0.0', heartbeat: 'auto', run: () => 1 }`;

function moduleOf(name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(path, source);
  return path;
}

async function namesIn(path: string): Promise<string[]> {
  return (await loadAgents(path)).map(({ name }) => name);
}

describe('a module of agents', () => {
  it('may export one agent by default, or a list of them', async () => {
    expect(await namesIn(moduleOf('one.mjs', `export default ${AGENT('one')};`))).toEqual(['one']);
    const list = moduleOf('list.mjs', `export default [${AGENT('a')}, ${AGENT('b')}];`);
    expect(await namesIn(list)).toEqual(['a', 'b']);
  });

  it('may export them by name, beside other things, and each is taken once', async () => {
    const source = `export const a = ${AGENT('a')}; export const b = ${AGENT('b')}; export const limit = 3; export default [a, b];`;
    expect((await namesIn(moduleOf('named.mjs', source))).toSorted()).toEqual(['a', 'b']);
  });

  it.each([
    ['agents.ts', 'export {}', 'not a .js or .mjs module'],
    ['none.mjs', 'export const limit = 3;', 'exports no agents'],
    [
      'mixed.mjs',
      `export default [${AGENT('a')}, { name: 'b' }];`,
      'item 1 of its default export is not an agent',
    ],
    ['broken.mjs', 'export default [', 'does not load'],
    ['throws.mjs', "throw new Error('no database');", 'no database'],
  ])('is refused, with the reason and a status of 2: %s', async (name, source, message) => {
    await expect(loadAgents(moduleOf(name, source))).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message) as string,
      next: expect.any(String) as string,
    });
  });

  it('that is not there, or is a folder, is refused', async () => {
    await expect(loadAgents(join(folder, 'nowhere.mjs'))).rejects.toThrow('there is no module');
    await expect(loadAgents(`${folder}/.`)).rejects.toThrow('.js or .mjs');
  });
});
