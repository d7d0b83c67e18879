/** `npm run demo:tree` without npm: it exits 0 only when it has seen all that it is about. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const DEMO = fileURLToPath(new URL('../../examples/demo-tree.mjs', import.meta.url));

it('the demo of a tree refuses who asks for too much, stops who has spent its budget, waits for an approval, and adds up', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [DEMO]);
  for (const line of [
    /audit-folder {2}refused {2}LEASE_SUBSET_VIOLATION/,
    /audit-file@1\.0\.0 {2}failed {2}BUDGET_EXHAUSTED/,
    /audit-report@1\.0\.0 {2}waits for fs\.write/,
    /together +1 USD/,
  ])
    expect(stdout).toMatch(line);
  expect(stdout.match(/^seen /gm)).toHaveLength(5);
  expect(stdout).not.toContain('FAILED');
});
