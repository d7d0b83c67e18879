/**
 * The `$names` of a scenario. A text `$name`, or `${name}` within a longer one, is what was saved under that name.
 *
 * - `$token.a`, `$token.b` — the tokens; `$run` — text that no other run has; `$index` — from 0, within a `repeat`
 * - `$client.session_id`, `$client.resume_token`, `$client.last_seq` — of the connection `client`
 * - `$now`, `$now+1500`, `$now-1500` — an instant, in milliseconds from now
 *
 * `$$` is a dollar sign.
 */
import { isMap } from './matcher.js';
import type { Scenario, SingleStep, Step } from './scenario.js';

const REFERENCE = /\$\$|\$\{([a-z][a-z0-9_.]*(?:[+-]\d+)?)\}|\$([a-z][a-z0-9_.]*(?:[+-]\d+)?)/g;

/** Of a whole value: what the lookup gives; of a part of a text: that, as text. */
export function filled(value: unknown, lookup: (name: string) => unknown): unknown {
  if (typeof value === 'string') return filledText(value, lookup);
  if (Array.isArray(value)) return value.map((one) => filled(one, lookup));
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, key === '$pattern' ? one : filled(one, lookup)]),
  );
}

function filledText(text: string, lookup: (name: string) => unknown): unknown {
  const whole = /^\$(?:\{([^}]+)\}|([a-z][a-z0-9_.]*(?:[+-]\d+)?))$/.exec(text);
  if (whole !== null) return lookup(whole[1] ?? whole[2] ?? '');
  return text.replaceAll(REFERENCE, (all, braced?: string, bare?: string) =>
    all === '$$' ? '$' : String(lookup(braced ?? bare ?? '')),
  );
}

/** `$now` with its distance in milliseconds; nothing for any other name. */
export function instantOf(name: string, now: number): string | undefined {
  const match = /^now([+-]\d+)?$/.exec(name);
  return match === null ? undefined : new Date(now + Number(match[1] ?? 0)).toISOString();
}

function namesIn(value: unknown): string[] {
  const names: string[] = [];
  filled(value, (name) => {
    names.push(name);
    return '';
  });
  return names;
}

const OF_CONNECTION = ['session_id', 'resume_token', 'last_seq'];

/** Names that a scenario uses before they mean something, and connections that are not there, each with its place. */
export function unknownNames({ steps }: Pick<Scenario, 'steps'>): string[] {
  const faults: string[] = [];
  const known = new Set(['token.a', 'token.b', 'run']);
  const connections = new Set<string>();

  const use = (value: unknown, place: string): void => {
    for (const name of namesIn(value)) {
      if (!known.has(name) && instantOf(name, 0) === undefined)
        faults.push(`${place}: $${name} means nothing yet`);
    }
  };
  const come = (name: string): void => {
    connections.add(name);
    for (const field of OF_CONNECTION) known.add(`${name}.${field}`);
  };
  const visitOne = (step: SingleStep, place: string): void => {
    if ('open' in step) come(step.open);
    else if ('connect' in step) come(step.connect);
    else if ('resume' in step) {
      if (!connections.has(step.of ?? step.resume)) faults.push(`${place}.of: there is no such connection`);
      use(step.after, `${place}.after`);
      come(step.resume);
    } else {
      const on =
        'drop' in step
          ? step.drop
          : 'expect_close' in step
            ? step.expect_close
            : 'on' in step
              ? step.on
              : undefined;
      if (on !== undefined && !connections.has(on)) faults.push(`${place}: there is no connection ${on}`);
      use(step, place);
    }
    if ('send' in step && step.as !== undefined) known.add(step.as);
    if ('expect' in step) for (const name of Object.keys(step.save ?? {})) known.add(name);
  };
  const visit = (step: Step, place: string): void => {
    if (!('repeat' in step)) {
      visitOne(step, place);
      return;
    }
    known.add('index');
    for (const [index, one] of step.steps.entries()) visitOne(one, `${place}.steps[${index}]`);
    known.delete('index');
  };
  for (const [index, step] of steps.entries()) visit(step, `steps[${index}]`);
  return faults;
}
