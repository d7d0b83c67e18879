/** Questions for people, as text, and what people type as answers. */
import type { Question } from '../client/index.js';
import { printable } from './text.js';

/** Kinds of questions, as people call them. */
const KINDS = {
  'human.input.request': 'answer',
  'human.choice.request': 'choice',
  'permission.request': 'permission',
} as const satisfies Record<Question['request']['type'], string>;

/** One line: job, kind, until when, and what is asked. */
export function questionLine(question: Question): string {
  const { jobId, id, expiresAt = 'ever', prompt } = question;
  const kind = KINDS[question.request.type].padEnd('permission'.length);
  return printable(`${jobId}  ${id}  ${kind}  until ${expiresAt}  ${prompt}${optionsOf(question)}`);
}

function optionsOf({ request }: Question): string {
  if (request.type !== 'human.choice.request') return '';
  return ` [${request.payload.options.map(({ id, label }) => (id === label ? id : `${id}: ${label}`)).join(', ')}]`;
}

/** What a person is shown who is to answer at once; the last line is where they type. */
export function promptText({ prompt, request }: Question): string {
  const asked = `? ${printable(prompt)}`;
  switch (request.type) {
    case 'human.input.request': {
      const { default: standsIn } = request.payload;
      const hint = standsIn === undefined ? '' : ` (${printable(JSON.stringify(standsIn))})`;
      return `${asked}${hint}\n> `;
    }
    case 'human.choice.request': {
      const { options, default: standsIn } = request.payload;
      const lines = options.map(({ id, label }, at) => {
        const name = id === label ? id : `${id}: ${label}`;
        return `  ${at + 1}  ${printable(name)}${id === standsIn ? ' (default)' : ''}\n`;
      });
      return `${asked}\n${lines.join('')}> `;
    }
    case 'permission.request':
      return `${asked}\n  y grants it; n, or n and a reason, denies it\n> `;
  }
}

/** What somebody typed: an answer to send, or why it is none. */
export type Typed =
  | { readonly kind: 'send'; readonly send: () => Promise<void> }
  | { readonly kind: 'wrong'; readonly why: string };

export function readAnswer(question: Question, text: string): Typed {
  const { request } = question;
  const line = text.trim();
  switch (request.type) {
    case 'human.input.request': {
      const { default: standsIn, response_schema: schema } = request.payload;
      if (line === '' && standsIn !== undefined) return send(() => question.answer(standsIn));
      return send(() => question.answer(readValue(schema, text)));
    }
    case 'human.choice.request': {
      const { options, default: standsIn } = request.payload;
      const chosen =
        line === '' ? standsIn : (options.find(({ id }) => id === line)?.id ?? options[Number(line) - 1]?.id);
      if (chosen === undefined) return { kind: 'wrong', why: `type a number from 1 to ${options.length}` };
      return send(() => question.choose(chosen));
    }
    case 'permission.request': {
      const match = /^(y|yes|n|no)(?:\s+(.*))?$/i.exec(line);
      if (match === null) return { kind: 'wrong', why: 'type y or n' };
      const [, word = '', reason] = match;
      return word.toLowerCase().startsWith('y')
        ? send(() => question.grant())
        : send(() => question.deny(reason ?? 'denied'));
    }
  }
}

function send(how: () => Promise<void>): Typed {
  return { kind: 'send', send: how };
}

/** JSON where it is some and the schema does not ask for text; else the text itself. */
export function readValue(schema: unknown, text: string): unknown {
  if (asksForText(schema)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function asksForText(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'string';
}
