/** `npm run demo` without npm: three real processes, and none of them left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { folderOf, manyFiles } from './folder.js';

const DEMO = fileURLToPath(new URL('../../examples/demo.mjs', import.meta.url));

interface Demo {
  readonly output: () => string;
  readonly interrupt: () => void;
  readonly said: (pattern: RegExp) => Promise<void>;
  readonly code: Promise<number | null>;
}

function demo(...args: string[]): Demo {
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const listener of listeners) listener();
    });
  }
  return {
    output: () => output,
    interrupt: () => void child.kill('SIGINT'),
    said: (pattern) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (pattern.test(output)) resolve();
        };
        listeners.add(look);
        look();
      }),
    code: once(child, 'close').then(() => child.exitCode),
  };
}

/** Ids of the processes that the demo says it started. */
function processesOf(output: string): number[] {
  return [...output.matchAll(/process (\d+)/g)].map(([, id]) => Number(id));
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the demo', () => {
  it('has a report written in another process, checks its size and hash, and exits 0', async () => {
    using folder = folderOf({ 'README.md': '# Hi\n', 'src/a.ts': 'a\n', 'test/a.ts': 'a\n' });
    using elsewhere = folderOf({});
    const out = join(elsewhere.path, 'report.md');
    const running = demo('--path', folder.path, '--out', out);
    expect(await running.code).toBe(0);
    const output = running.output();
    expect(output).toMatch(/code-stats@1\.0\.0: Count the source in src {2}completed/);
    expect(output).toMatch(/spent {2}code-stats@1\.0\.0 {2}0\.03 credits/);
    expect(output).toContain('size and hash are what the agent says it streamed');
    expect(output).toContain('1 report, 3 delegated, 0 of them not completed');
    expect(readFileSync(out, 'utf8')).toContain('| `src` | 1 | 1 | 2 | TypeScript |');
    const processes = processesOf(output);
    expect(processes).toHaveLength(2);
    expect(processes.filter(isRunning)).toEqual([]);
  });

  it('exits 1 and says what to do when there is no such folder', async () => {
    const running = demo('--path', '/nowhere/at/all');
    expect(await running.code).toBe(1);
    expect(running.output()).toMatch(/demo: there is no folder \/nowhere\/at\/all\n {2}next: /);
  });

  it('exits 1 when the client cannot do its work, and leaves nothing running', async () => {
    using folder = folderOf({ 'a.ts': 'a\n' });
    using elsewhere = folderOf({});
    const running = demo(
      '--path',
      folder.path,
      '--budget',
      'credits:much',
      '--out',
      join(elsewhere.path, 'report.md'),
    );
    expect(await running.code).toBe(1);
    expect(running.output()).toMatch(/not an amount[^]*demo: the client ended with status 2\n {2}next: /);
    expect(processesOf(running.output()).filter(isRunning)).toEqual([]);
  });

  it('after Ctrl-C cancels the job, exits 130, and leaves neither a process nor half a report', async () => {
    using folder = folderOf(manyFiles('src', 5_000));
    using elsewhere = folderOf({});
    const out = join(elsewhere.path, 'report.md');
    const running = demo('--path', folder.path, '--budget', 'credits:1000', '--out', out);
    await running.said(/1\/5000 files/);
    running.interrupt();
    expect(await running.code).toBe(130);
    expect(running.output()).toMatch(/repo-report@2\.0\.0 {2}cancelled/);
    expect(processesOf(running.output()).filter(isRunning)).toEqual([]);
    expect([existsSync(out), existsSync(`${out}.part`)]).toEqual([false, false]);
  });
});
