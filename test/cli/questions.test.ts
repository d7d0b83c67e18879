/** People at the command line: what is asked, what they type, and answers from another terminal. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prompter, type ReadLine } from '../../src/cli/prompter.js';
import { promptText, questionLine, readAnswer } from '../../src/cli/question-text.js';
import { conformanceAgents } from '../../src/conformance/agents/index.js';
import type { Client, Job, Question } from '../../src/client/index.js';
import { ArcpError } from '../../src/index.js';
import { testRuntime, type TestRuntime } from '../../src/testing/index.js';
import { Arcp, arcp, jsonLines, serve, type Serving } from './arcp.js';

async function asking(
  agent: string,
  args: unknown = {},
): Promise<{ test: TestRuntime; client: Client; job: Job }> {
  const test = testRuntime();
  for (const one of conformanceAgents(test.clock)) test.runtime.register(one);
  const client = await test.connect();
  return { test, client, job: await client.invoke(agent, args) };
}

async function questionOf(job: Job): Promise<Question> {
  for await (const question of job.questions()) return question;
  throw new Error('it asked nothing');
}

/** A terminal on which somebody types these lines. */
function typing(...lines: readonly string[]) {
  const shown: string[] = [];
  const said: string[] = [];
  let noticed = (): void => undefined;
  /** Resolves when something is asked or said. */
  const something = new Promise<void>((resolve) => (noticed = resolve));
  const left = [...lines];
  const readLine: ReadLine = (prompt, signal) => {
    shown.push(prompt);
    noticed();
    const line = left.shift();
    if (line !== undefined) return Promise.resolve(line);
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        resolve(undefined);
      });
    });
  };
  const reporter = {
    say: (line: string) => {
      said.push(line);
      noticed();
    },
    asking: (ask: () => Promise<void>) => ask(),
  };
  return { shown, said, something, readLine, reporter };
}

describe('what a person is shown', () => {
  it('is the question with its default, the options with their numbers, and never what a terminal would obey', async () => {
    const { test, job } = await asking('asker', { prompt: 'How\u001b[2J many?', default: 3 });
    await using _ = test;
    expect(promptText(await questionOf(job))).toBe('? How [2J many? (3)\n> ');
    const other = await asking('chooser', { options: ['a', 'b'], default: 'b' });
    await using __ = other.test;
    const choice = await questionOf(other.job);
    expect(promptText(choice)).toBe('? Which one?\n  1  a\n  2  b (default)\n> ');
    expect(questionLine(choice)).toBe(
      `${other.job.id}  ${choice.id}  choice      until 2026-01-01T00:01:00.000Z  Which one? [a, b]`,
    );
  });
});

describe('what a person types', () => {
  it.each([
    [{ type: 'string' }, '3', '3'],
    [{ type: 'integer' }, '3', 3],
    [undefined, '{"a":1}', { a: 1 }],
    [undefined, 'yes, do', 'yes, do'],
  ])('under %j: %s is the answer %j', async (schema, line, answer) => {
    const { test, job } = await asking('asker', schema === undefined ? {} : { schema });
    await using _ = test;
    const typed = readAnswer(await questionOf(job), line);
    if (typed.kind === 'send') await typed.send();
    expect((await job.result()).value).toEqual({ answer });
  });

  it.each([
    ['2', 'no'],
    ['no', 'no'],
    [' yes ', 'yes'],
  ])('of a choice, %j chooses %s', async (line, choice) => {
    const { test, job } = await asking('chooser');
    await using _ = test;
    const typed = readAnswer(await questionOf(job), line);
    if (typed.kind === 'send') await typed.send();
    expect((await job.result()).value).toEqual({ choice });
  });

  it('of a choice may be wrong', async () => {
    const { test, job } = await asking('chooser');
    await using _ = test;
    const question = await questionOf(job);
    for (const line of ['', '0', '3', 'maybe']) {
      expect(readAnswer(question, line)).toEqual({ kind: 'wrong', why: 'type a number from 1 to 2' });
    }
  });
});

describe('whoever sits at the terminal', () => {
  it('is asked again until the answer fits', async () => {
    const { test, job } = await asking('asker', { schema: { type: 'integer', minimum: 5 } });
    await using _ = test;
    const { shown, readLine, reporter } = typing('many', '3', '7');
    new Prompter(job, reporter, readLine, new AbortController().signal);
    expect((await job.result()).value).toEqual({ answer: 7 });
    expect(shown).toHaveLength(3);
  });

  it('is let go when somebody else was first', async () => {
    const { test, job } = await asking('asker');
    await using _ = test;
    const { something, readLine, reporter } = typing();
    let isLetGo = (): void => undefined;
    const letGo = new Promise<void>((resolve) => (isLetGo = resolve));
    const asked: typeof readLine = async (prompt, signal) => {
      const line = await readLine(prompt, signal);
      isLetGo();
      return line;
    };
    new Prompter(job, reporter, asked, new AbortController().signal);
    await something;
    await (await questionOf(job)).answer('from elsewhere');
    await letGo;
    expect((await job.result()).value).toEqual({ answer: 'from elsewhere' });
  });

  it('is only told where nobody can be asked', async () => {
    const { test, job } = await asking('asker', { prompt: 'Who?' });
    await using _ = test;
    const { said, something, reporter } = typing();
    new Prompter(job, reporter, undefined, new AbortController().signal);
    await something;
    expect(said).toEqual([`${job.id} asks: Who?\n  \`arcp answer ${job.id} VALUE\``]);
  });
});

describe('the question of the client SDK', () => {
  it('refuses answers of the wrong kind itself', async () => {
    const { test, job } = await asking('asker');
    await using _ = test;
    const question = await questionOf(job);
    for (const wrong of [question.choose('a'), question.grant(), question.deny()]) {
      await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    await question.decline('no');
    await expect(job.result()).rejects.toEqual(new ArcpError('CANCELLED', 'no'));
    expect((await question.ended).type).toBe('human.input.cancelled');
    await expect(question.answer(1)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});

describe('from another terminal', { timeout: 60_000 }, () => {
  const env = { ARCP_TOKEN: 'secret-of-questions' };
  let serving: Serving;

  beforeAll(async () => {
    serving = await serve(['--conformance', '--store', 'memory'], env);
  }, 30_000);

  afterAll(async () => {
    serving.arcp.signal('SIGTERM');
    await serving.arcp.ended();
  });

  const run = (...args: string[]) => arcp([...args, '--url', serving.url], env);

  it('a question is listed, a wrong answer refused, and the right one ends the invoke that waits', async () => {
    const invoking = new Arcp(
      [
        'invoke',
        'asker',
        '--args',
        '{"prompt":"How many?","schema":{"type":"integer"}}',
        '--url',
        serving.url,
      ],
      env,
    );
    const [, job = ''] = await invoking.until(
      'stderr',
      /(job_\S+) asks: How many\?\n {2}`arcp answer \1 VALUE`/,
    );
    const listed = await run('questions');
    expect(listed.stdout).toMatch(
      new RegExp(`^${job} {2}msg_\\S+ {2}answer {6}until \\S+ {2}How many\\?\n$`),
    );
    expect(jsonLines((await run('questions', '--json')).stdout)).toMatchObject([
      { job_id: job, type: 'human.input.request', payload: { prompt: 'How many?' } },
    ]);
    const wrong = await run('answer', job, 'many');
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain('INVALID_ARGUMENT');
    expect(wrong.stderr).toContain('the question is still open');
    expect(await run('answer', job)).toMatchObject({ code: 2 });
    expect(await run('answer', job, '42')).toMatchObject({
      code: 0,
      stderr: `${job} has its answer\n`,
    });
    expect(JSON.parse((await invoking.ended()).stdout)).toEqual({ answer: 42 });
    expect((await run('answer', job, '43')).stderr).toContain('waits for no such answer');
  });

  it('a detached job is interrupted and declined', async () => {
    const { stdout } = await run('invoke', 'chooser', '--detach');
    const job = stdout.trim();
    expect((await run('interrupt', job, 'Why?')).stderr).toContain('is interrupted');
    const several = await run('answer', job, 'x');
    expect(several).toMatchObject({ code: 2 });
    expect(several.stderr).toContain('asks 2 things');
    const choice = jsonLines((await run('questions', '--json')).stdout).find(
      (one) => one['type'] === 'human.choice.request',
    );
    const declined = await run('answer', job, '--question', String(choice?.['id']), '--decline', 'not today');
    expect(declined).toMatchObject({ code: 0 });
    const tail = await run('tail', job);
    expect(tail.code).toBe(1);
    expect(tail.stderr).toContain('CANCELLED: not today');
  });

  it('a permission is granted for as long as is said, or denied with a reason', async () => {
    const asking = await Promise.all([
      run('invoke', 'needs-permission', '--detach'),
      run('invoke', 'needs-permission', '--detach'),
    ]);
    const [one = '', two = ''] = asking.map(({ stdout }) => stdout.trim());
    expect((await run('questions')).stdout).toContain('May it? fs.write write /data/**');
    expect((await run('answer', one, 'yes')).stderr).toContain('`arcp approve` answers it');
    expect(await run('approve', one, '--lease', '10m')).toMatchObject({ code: 0 });
    expect(await run('approve', two, '--deny', '--reason', 'not there')).toMatchObject({ code: 0 });
    const { stdout } = await run('tail', one, '--json');
    expect(jsonLines(stdout).find(({ type }) => type === 'permission.grant')).toMatchObject({
      payload: { lease_seconds: 600 },
    });
    expect((await run('tail', two)).stderr).toContain('PERMISSION_DENIED: not there');
    expect(await run('approve', two)).toMatchObject({ code: 1 });
  });
});
