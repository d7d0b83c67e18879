/** `npm run demo:fleet` without npm: every receipt is as it was meant, and nothing is left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { HAS_WALLS, NEEDS_WALLS } from '../agents/process/bwrap.js';

const DEMO = fileURLToPath(new URL('../../examples/demo-fleet.mjs', import.meta.url));
const MADE = fileURLToPath(new URL('../../.demo', import.meta.url));

describe.skipIf(!HAS_WALLS)(`the demo of fleets${NEEDS_WALLS}`, () => {
  it('ends each of twelve tasks as it was meant, and exits 0', { timeout: 120_000 }, async () => {
    const child = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    await once(child, 'close');
    expect(output).toContain('receipts: 12, each as it was meant');
    expect(output).toMatch(/second-try {2,}pass at attempt 2/);
    expect(child.exitCode).toBe(0);
    expect(existsSync(MADE)).toBe(false);
  });
});
