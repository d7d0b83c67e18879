/** Whether an answer fits its question: its kind, its value, and what it says that it answers. */
import { ArcpError } from '../../protocol/errors.js';
import { nestsDeeperThan } from '../../protocol/nesting.js';
import { refuseOversize } from '../agent-output.js';
import type { Limits } from '../limits.js';
import { AnswerSchema } from './answer-schema.js';
import type { Answer, Request } from './question.js';

/** Who cannot read `human.*` gets an answer in an `event.emit`, two levels deeper than the payload. */
const ENVELOPE_LEVELS = 3;

export class AnswerCheck {
  readonly #request: Request;
  readonly #limits: Limits;
  /** Made when it is needed: after a restart most are not. */
  #schema: AnswerSchema | undefined;

  constructor(request: Request, limits: Limits) {
    this.#request = request;
    this.#limits = limits;
  }

  /** Throws INVALID_ARGUMENT where the question makes no sense: its schema, or its options. */
  question(): void {
    const { type, payload } = this.#request;
    if (type === 'human.input.request') this.#schema ??= new AnswerSchema(payload.response_schema);
    if (type === 'human.choice.request') checkOptions(payload.options);
  }

  /** Throws INVALID_ARGUMENT where it does not. */
  check(answer: Answer): void {
    const { type, payload: question } = this.#request;
    const text = JSON.stringify(answer.payload);
    refuseOversize(text, 'the answer', this.#limits.maxAnswerBytes);
    if (nestsDeeperThan(text, this.#limits.maxNesting - ENVELOPE_LEVELS)) {
      throw new ArcpError('INVALID_ARGUMENT', 'the answer nests too deep');
    }
    const wrong = (): ArcpError =>
      new ArcpError('INVALID_ARGUMENT', `${answer.type} does not answer ${this.#request.type}`);
    switch (answer.type) {
      case 'human.input.cancelled':
        if (type === 'permission.request') throw wrong();
        break;
      case 'human.input.response':
        if (type !== 'human.input.request') throw wrong();
        this.#schema ??= new AnswerSchema(question.response_schema);
        this.#schema.check(answer.payload.value);
        break;
      case 'human.choice.response': {
        if (type !== 'human.choice.request') throw wrong();
        const ids = question.options.map(({ id }) => id);
        if (!ids.includes(answer.payload.choice_id)) {
          throw new ArcpError('INVALID_ARGUMENT', 'choice_id: not one of the options', {
            details: { options: ids },
          });
        }
        break;
      }
      case 'permission.grant':
      case 'permission.deny': {
        if (type !== 'permission.request') throw wrong();
        const { permission, resource = question.resource, operation = question.operation } = answer.payload;
        const same =
          permission === question.permission &&
          resource === question.resource &&
          operation === question.operation;
        if (!same) throw new ArcpError('INVALID_ARGUMENT', `${answer.type}: that is not what was asked for`);
        break;
      }
    }
  }
}

function checkOptions(options: readonly { readonly id: string }[]): void {
  if (options.length === 0) throw new ArcpError('INVALID_ARGUMENT', 'options: expected at least one');
  if (new Set(options.map(({ id }) => id)).size < options.length) {
    throw new ArcpError('INVALID_ARGUMENT', 'options: two of them have the same id');
  }
}
