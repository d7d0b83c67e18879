/** `arcp serve --agent`: an agent in any language, as a user starts it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InvalidArgumentError } from 'commander';
import { parseProcess } from '../../src/cli/options.js';
import { HAS_WALLS } from '../agents/process/bwrap.js';
import { arcp, serve, type Serving } from './arcp.js';

describe('--agent NAME@VERSION=COMMAND', () => {
  it('is read without a shell', () => {
    expect(parseProcess(`a@1.0.0=python3 'b c.py' x=y`)).toEqual({
      name: 'a',
      version: '1.0.0',
      command: ['python3', 'b c.py', 'x=y'],
    });
  });

  it.each(['a=b', 'a@1.0.0', 'a@1.0.0=', `a@1.0.0='b`, 'A B@1=c', '=c'])('refuses %j', (text) => {
    expect(() => parseProcess(text)).toThrow(InvalidArgumentError);
  });
});

describe('arcp serve --agent', () => {
  let folder: string;
  let serving: Serving;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'arcp-serve-agent-'));
    writeFileSync(
      join(folder, 'agent.sh'),
      `read -r line; echo "{\\"type\\":\\"job.completed\\",\\"payload\\":{\\"value\\":\\"$GREETING\\"}}"`,
    );
    const trust = HAS_WALLS ? [] : ['--trust-agent', 'greeter@1.0.0'];
    serving = await serve(
      ['--agent', `greeter@1.0.0=sh ${folder}/agent.sh`, '--agent-env', 'GREETING', '--anonymous', ...trust],
      { GREETING: 'hello' },
    );
  }, 60_000);
  afterAll(async () => {
    serving.arcp.signal('SIGTERM');
    await serving.arcp.ended();
    rmSync(folder, { recursive: true });
  });

  it('hosts it beside the others, with the variables that are named', async () => {
    const ended = await arcp(['invoke', 'greeter', '--url', serving.url]);
    expect([ended.code, ended.stdout.trim()]).toEqual([0, '"hello"']);
  });

  it('says what is wrong with what it was given', async () => {
    const trusted = await arcp(['serve', '--trust-agent', 'nobody@1.0.0', '--store', 'memory']);
    expect([trusted.code, trusted.stderr]).toEqual([
      2,
      expect.stringContaining('nobody@1.0.0 is not one of --agent'),
    ]);
    const env = await arcp(['serve', '--agent-env', 'NOT_THERE_AT_ALL', '--store', 'memory']);
    expect([env.code, env.stderr]).toEqual([2, expect.stringContaining('NOT_THERE_AT_ALL')]);
  });
});
