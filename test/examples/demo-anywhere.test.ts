/** `npm run demo:anywhere` without npm: it exits 0 only when the result is what the demo computes by itself. */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const DEMO = fileURLToPath(new URL('../../examples/demo-anywhere.mjs', import.meta.url));
const HAS_PYTHON = spawnSync('python3', ['--version']).status === 0;

async function demo(env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [DEMO], { env });
  expect(stdout.match(/^seen /gm)).toHaveLength(5);
  expect(stdout).not.toContain('FAILED');
  return stdout;
}

it.skipIf(!HAS_PYTHON)(
  `the demo of agents from anywhere has a worker killed under it, and its result is right${HAS_PYTHON ? '' : ' (skipped: python3 is not installed)'}`,
  { timeout: 180_000 },
  async () => {
    const said = await demo(process.env);
    const processes = [...said.matchAll(/process (\d+) dials in/g)].map(([, id]) => id);
    expect(processes).toHaveLength(2);
    for (const line of [
      `process ${processes[0]} is killed (SIGKILL), at `,
      `began in process ${processes[0]} and ended in ${processes[1]}`,
      'the words are right: README.md ',
    ])
      expect(said).toContain(line);
    expect(said).toMatch(/^packed-size@1\.0\.0 .* credits$/m);
    expect(said).toMatch(/^vocabulary@1\.0\.0 .* 0\.03 credits$/m);
    expect(said).toMatch(/^kit\.gzip-file-as-resource@.* 1 tool_calls$/m);
  },
);

it(
  'without python3 the demo leaves that part out, says so, and does the rest',
  { timeout: 180_000 },
  async () => {
    const said = await demo({ ...process.env, PATH: '/nowhere' });
    expect(said).toContain('python3 is not installed: the part of the Python agent is LEFT OUT');
    expect(said).toContain('the words are right: left out');
  },
);
