/** The real `arcp`, as other processes: what it prints, how it ends, and what it does on signals. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ARCP = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ended {
  /** The exit status, or the signal that ended it. */
  readonly code: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Arcp {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #ended: Promise<unknown>;
  #changed: () => void = () => undefined;

  /** `serve` gets a data folder of its own, which goes with it, unless the arguments name one. */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const { PATH, HOME } = process.env;
    const needsData = args[0] === 'serve' && !args.includes('--data');
    const data = needsData ? mkdtempSync(join(tmpdir(), 'arcp-data-')) : undefined;
    const all = data === undefined ? args : [...args, '--data', data];
    this.process = spawn(process.execPath, [ARCP, ...all], { env: { PATH, HOME, ...env } });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#changed();
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#changed();
    });
    this.#ended = once(this.process, 'close').then(() => {
      if (data !== undefined) rmSync(data, { recursive: true, force: true });
      this.#changed();
    });
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Resolves once what it printed matches; rejects when it ends without. */
  async until(where: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this[where]);
      if (found !== null) return found;
      if (this.hasEnded)
        throw new Error(`it ended without ${String(pattern)}:\n${this.stdout}\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  async ended(): Promise<Ended> {
    await this.#ended;
    const { exitCode, signalCode } = this.process;
    return { code: exitCode ?? signalCode, stdout: this.stdout, stderr: this.stderr };
  }
}

export function arcp(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended> {
  return new Arcp(args, env).ended();
}

/** Lines of JSON; fails on anything else. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export interface Serving {
  readonly arcp: Arcp;
  readonly url: string;
}

/** Starts a runtime on a free port and waits until it listens. */
export async function serve(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Serving> {
  const server = new Arcp(['serve', '--port', '0', '--json', ...args], env);
  const [, url = ''] = await server.until(
    'stdout',
    /^\{"event":"listening","url":"([^"]+)","fingerprint":"[^"]+"\}\n/,
  );
  return { arcp: server, url };
}
