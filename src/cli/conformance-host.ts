/** A runtime of ours for `arcp conformance` to play at: another process, with two principals, that goes with this one. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { newSecret } from './tokens.js';

export interface Host {
  readonly url: string;
  readonly tokens: { readonly a: string; readonly b: string };
  /** Ends the process and removes what it kept. Once or more. */
  stop(): void;
}

/** How long it may take until it listens. */
const STARTUP_MS = 120_000;

/** What a process that says something else may say at most, in bytes. */
const MAX_OUTPUT = 65_536;

/** @throws Failure when it does not come up */
export async function hostOurs(): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), 'arcp-conformance-'));
  const tokens = { a: newSecret(), b: newSecret() };
  const file = join(folder, 'tokens');
  writeFileSync(file, `${tokens.a}=a\n${tokens.b}=b\n`, { mode: 0o600 });
  const main = fileURLToPath(new URL('main.js', import.meta.url));
  const args = ['serve', '--conformance', '--port', '0', '--json', '--log-level', 'error'];
  const { ARCP_TOKEN: _, ...env } = process.env;
  const child = spawn(
    process.execPath,
    [main, ...args, '--data', join(folder, 'data'), '--token-file', file],
    {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const stop = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  process.once('exit', stop);
  const url = await new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(resolve, STARTUP_MS, undefined);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < MAX_OUTPUT) said += text;
      const listening = /"event":"listening","url":"([^"]+)"/.exec(said);
      if (listening === null) return;
      clearTimeout(timer);
      resolve(listening[1]);
    });
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
  if (url !== undefined) return { url, tokens, stop };
  stop();
  throw new Failure(EXIT.failed, 'the runtime to play at did not come up', 'name one that runs, by its URL');
}
