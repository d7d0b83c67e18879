/** From what an agent asks to the question that goes on the wire. What is wrong with it is thrown to the agent. */
import type { AskOptions, Choice, ChooseOptions, QuestionOptions } from '../../agents/questions.js';
import { ArcpError } from '../../protocol/errors.js';
import { checkName, checkText } from '../agent-output.js';
import type { EngineContext } from '../engine-context.js';
import type { JobRun } from '../job-run.js';

/** The value that somebody answered with. */
export async function ask(
  run: JobRun,
  context: EngineContext,
  prompt: string,
  options: AskOptions,
): Promise<unknown> {
  run.refuseQuestions();
  const { schema = {}, default: standsIn } = options;
  const payload = {
    ...common(prompt, options, context),
    response_schema: schema,
    ...(standsIn === undefined ? {} : { default: standsIn }),
  };
  const answer = await run.questions.ask({ type: 'human.input.request', payload }, keyOf(options));
  return answer.type === 'human.input.response' ? answer.payload.value : undefined;
}

/** The id of the option that somebody chose. */
export async function choose(
  run: JobRun,
  context: EngineContext,
  prompt: string,
  choices: readonly Choice[],
  options: ChooseOptions,
): Promise<string> {
  run.refuseQuestions();
  const { default: standsIn } = options;
  const payload = {
    ...common(prompt, options, context),
    options: checkedChoices(choices),
    ...(standsIn === undefined ? {} : { default: standsIn }),
  };
  const answer = await run.questions.ask({ type: 'human.choice.request', payload }, keyOf(options));
  return answer.type === 'human.choice.response' ? answer.payload.choice_id : '';
}

function common(prompt: string, { destination, expiresInMs }: QuestionOptions, context: EngineContext) {
  checkText('prompt', prompt);
  return {
    prompt,
    expires_at: expiresAt(expiresInMs, context),
    ...(destination === undefined ? {} : { destination }),
  };
}

/** Throws INVALID_ARGUMENT for what is no time within `maxQuestionExpiryMs`. */
export function expiresAt(ms: number | undefined, { clock, limits }: EngineContext): string {
  const { questionExpiryMs, maxQuestionExpiryMs } = limits;
  const after = ms ?? questionExpiryMs;
  if (!(Number.isFinite(after) && after > 0 && after <= maxQuestionExpiryMs)) {
    throw new ArcpError('INVALID_ARGUMENT', `expiresInMs: expected up to ${maxQuestionExpiryMs} ms`);
  }
  return new Date(clock.now() + after).toISOString();
}

const MAX_KEY_LENGTH = 256;

export function keyOf({ key }: Pick<QuestionOptions, 'key'>): string | undefined {
  if (key === undefined) return undefined;
  checkName('key', key);
  if (key.startsWith('#') || key.length > MAX_KEY_LENGTH) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      `key: expected up to ${MAX_KEY_LENGTH} characters, the first of them no #`,
    );
  }
  return key;
}

function checkedChoices(choices: unknown): Choice[] {
  if (!Array.isArray(choices)) throw new ArcpError('INVALID_ARGUMENT', 'options: expected a list');
  return choices.map((choice: unknown, at) => {
    const { id, label } = (choice ?? {}) as Partial<Choice>;
    checkName(`options.${at}.id`, id);
    checkText(`options.${at}.label`, label);
    return { id: id as string, label: label as string };
  });
}
