/** `arcp questions`, `arcp answer` and `arcp interrupt`: what jobs ask of people, and how people speak to jobs. */
import { once } from 'node:events';
import type { Command } from 'commander';
import type { Client, Question } from '../client/index.js';
import { ArcpError } from '../protocol/index.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT } from './exit-codes.js';
import { adviceFor, describe, Failure } from './failure.js';
import { parseJson } from './options.js';
import { questionLine, readAnswer } from './question-text.js';
import { tell } from './said.js';

interface QuestionsOptions extends ConnectionOptions {
  readonly json?: true;
}

export function addQuestions(program: Command): void {
  const command = program
    .command('questions')
    .description('list what your jobs ask, and wait for')
    .option('--json', 'print one question a line, as it was asked');
  withConnectionOptions(command).action(async (options: QuestionsOptions) => {
    const client = await connectTo(options);
    try {
      for await (const question of client.questions()) {
        const { id, jobId, request } = question;
        const line =
          options.json === true ? JSON.stringify({ id, job_id: jobId, ...request }) : questionLine(question);
        if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
      }
    } finally {
      await client.close();
    }
  });
}

interface AnswerOptions extends ConnectionOptions {
  readonly json?: { readonly value: unknown };
  readonly question?: string;
  readonly decline?: true | string;
}

export function addAnswer(program: Command): void {
  const command = program
    .command('answer')
    .description('answer what a job of yours asks')
    .argument('<job>', 'the id of the job, job_…')
    .argument('[value]', 'the answer: text, or JSON where that is asked for; the option of a choice')
    .option('--json <json>', 'the answer as JSON', parseJson)
    .option('--question <id>', 'which one, where the job asks several', undefined)
    .option('--decline [reason]', 'say that there will be no answer');
  withConnectionOptions(command).action(
    async (job: string, value: string | undefined, options: AnswerOptions) => {
      const given = [value, options.json, options.decline].filter((one) => one !== undefined);
      if (given.length !== 1) {
        throw new Failure(EXIT.usage, 'expected one answer', 'a value, --json, or --decline');
      }
      await settle(job, options, (question) => answerWith(question, value, options));
      tell({}, {}, `${job} has its answer`);
    },
  );
}

function answerWith(
  question: Question,
  value: string | undefined,
  { json, decline }: AnswerOptions,
): Promise<void> {
  if (decline !== undefined) return decline === true ? question.decline() : question.decline(decline);
  if (question.request.type === 'permission.request') {
    throw new Failure(
      EXIT.usage,
      `it asks for a permission: ${question.prompt}`,
      '`arcp approve` answers it',
    );
  }
  if (json !== undefined) return question.answer(json.value);
  const typed = readAnswer(question, value ?? '');
  if (typed.kind === 'wrong')
    throw new Failure(EXIT.usage, 'that is none of the options', questionLine(question));
  return typed.send();
}

/** Connects, finds the question that is meant, and settles it. */
export async function settle(
  job: string,
  options: ConnectionOptions & { readonly question?: string },
  how: (question: Question) => Promise<void>,
): Promise<void> {
  const client = await connectTo(options);
  try {
    await how(await theQuestion(client, job, options.question));
  } catch (error) {
    if (!(error instanceof ArcpError)) throw error;
    throw new Failure(EXIT.failed, `${job} was not answered: ${describe(error)}`, adviceOn(error), error);
  } finally {
    await client.close();
  }
}

async function theQuestion(client: Client, job: string, id: string | undefined): Promise<Question> {
  const open: Question[] = [];
  for await (const question of client.questions()) {
    if (question.jobId === job && (id === undefined || question.id === id)) open.push(question);
  }
  const [first, second] = open;
  if (first === undefined) {
    throw new Failure(
      EXIT.failed,
      `${job} waits for no such answer`,
      '`arcp questions` lists what is waited for',
    );
  }
  if (second !== undefined) {
    const lines = open.map((question) => `\n    ${questionLine(question)}`);
    throw new Failure(
      EXIT.usage,
      `${job} asks ${open.length} things`,
      `say which with --question:${lines.join('')}`,
    );
  }
  return first;
}

function adviceOn(error: ArcpError): string | undefined {
  switch (error.code) {
    case 'INVALID_ARGUMENT':
      return 'the question is still open: answer it with what it asks for';
    case 'FAILED_PRECONDITION':
      return 'there is nothing to do: somebody was first, or its time ran out';
    default:
      return adviceFor(error);
  }
}

export function addInterrupt(program: Command): void {
  const command = program
    .command('interrupt')
    .description('pause a job of yours, until it has an answer to your question')
    .argument('<job>', 'the id of the job, job_…')
    .argument('[prompt]', 'what is to be answered', '');
  withConnectionOptions(command).action(async (job: string, prompt: string, options: ConnectionOptions) => {
    const client = await connectTo(options);
    try {
      await client.interrupt(job, prompt);
      tell({}, {}, `${job} is interrupted; it goes on after \`arcp answer ${job} VALUE\``);
    } catch (error) {
      if (!(error instanceof ArcpError)) throw error;
      throw new Failure(EXIT.failed, `${job} was not interrupted: ${describe(error)}`, undefined, error);
    } finally {
      await client.close();
    }
  });
}
