import { describe, expect, it } from 'vitest';
import {
  classifyName,
  CORE_ROOTS,
  isMessageType,
  MESSAGE_TYPES,
  MESSAGES,
  OPT_IN,
  ruleFor,
  type MessageRule,
} from '../../src/protocol/index.js';

const rules: [string, MessageRule][] = Object.entries(MESSAGES);

function typesWhere(holds: (rule: MessageRule) => boolean): string[] {
  return rules.filter(([, rule]) => holds(rule)).map(([type]) => type);
}

describe('the message table', () => {
  it('has every type of the language, and no other', () => {
    expect(MESSAGE_TYPES.toSorted().join(' ')).toBe(
      'ack agent.delegate agent.handoff artifact.fetch artifact.put artifact.ref artifact.release backpressure ' +
        'cancel cancel.accepted cancel.refused checkpoint.create checkpoint.restore event.emit human.choice.request ' +
        'human.choice.response human.input.cancelled human.input.request human.input.response interrupt job.accepted ' +
        'job.cancelled job.checkpoint job.completed job.failed job.heartbeat job.progress job.result_chunk ' +
        'job.schedule job.started job.subscribe job.subscribed job.unsubscribe lease.extended lease.granted ' +
        'lease.refresh lease.revoked log metric nack permission.deny permission.grant permission.request ping pong ' +
        'resume session.accepted session.ack session.authenticate session.challenge session.close session.closed ' +
        'session.evicted session.jobs session.list_jobs session.list_schedules session.open session.ping session.pong session.refresh ' +
        'session.rejected session.resume session.resumed session.schedules session.unauthenticated stream.chunk stream.close ' +
        'stream.error stream.open subscribe subscribe.accepted subscribe.closed subscribe.event tool.error ' +
        'tool.invoke tool.result trace.span unsubscribe workflow.complete workflow.start',
    );
  });

  it('names as answers only types that the other side may send', () => {
    for (const [type, { answers, direction }] of rules) {
      for (const answer of answers) {
        const rule = ruleFor(answer);
        expect(rule, `${type} → ${answer}`).toBeDefined();
        if (direction !== 'both') expect(rule?.direction, `${type} → ${answer}`).not.toBe(direction);
      }
    }
  });

  it('numbers what happens to a job, a stream or a subscription, and no answer of a connection (decision 22)', () => {
    expect(
      typesWhere(({ countable }) => countable)
        .toSorted()
        .join(' '),
    ).toBe(
      'agent.delegate agent.handoff artifact.ref event.emit human.choice.request human.choice.response ' +
        'human.input.cancelled human.input.request human.input.response job.accepted job.cancelled job.checkpoint ' +
        'job.completed job.failed job.heartbeat job.progress job.result_chunk job.started lease.extended lease.granted ' +
        'lease.revoked log metric permission.deny permission.grant permission.request stream.chunk stream.close ' +
        'stream.error stream.open subscribe.closed subscribe.event tool.error tool.result ' +
        'trace.span workflow.complete',
    );
    expect(typesWhere(({ countable, direction }) => countable && direction === 'client')).toEqual([]);
  });

  it('lets only these pass before a session is accepted (decision 16)', () => {
    expect(typesWhere(({ handshake }) => handshake).toSorted()).toEqual([
      'session.accepted',
      'session.authenticate',
      'session.challenge',
      'session.open',
      'session.rejected',
      'session.resume',
      'session.resumed',
      'session.unauthenticated',
    ]);
  });

  it('asks for an opt-in before a type that peers may be unable to decode (decision 17)', () => {
    const optIns = Object.fromEntries(
      rules.flatMap(([type, { extension }]) => (extension === undefined ? [] : [[type, extension]])),
    );
    expect(optIns).toEqual({
      'agent.delegate': OPT_IN.delegate,
      'agent.handoff': OPT_IN.handoff,
      'checkpoint.create': OPT_IN.checkpoint,
      'checkpoint.restore': OPT_IN.checkpoint,
      'job.checkpoint': OPT_IN.checkpoint,
      'job.schedule': OPT_IN.schedule,
      'session.list_schedules': OPT_IN.schedule,
      'session.schedules': OPT_IN.schedule,
      'workflow.start': OPT_IN.workflow,
      'workflow.complete': OPT_IN.workflow,
      'human.input.request': OPT_IN.human,
      'human.input.response': OPT_IN.human,
      'human.input.cancelled': OPT_IN.human,
      'human.choice.request': OPT_IN.human,
      'human.choice.response': OPT_IN.human,
    });
  });

  it('knows its own types and none that an object has by birth', () => {
    expect(MESSAGE_TYPES.every(isMessageType)).toBe(true);
    for (const name of ['constructor', '__proto__', 'toString', '', 'tool', 'TOOL.INVOKE']) {
      expect(isMessageType(name)).toBe(false);
    }
  });
});

describe('names', () => {
  it('of the core language are core names, and so is everything below their roots', () => {
    const roots = new Set(MESSAGE_TYPES.map((type) => type.split('.')[0]));
    expect(CORE_ROOTS).toEqual(roots);
    for (const root of roots) expect(classifyName(`${root}.new.v1`)).toBe('core');
  });

  it('of our opt-ins are extensions', () => {
    for (const name of Object.values(OPT_IN)) expect(classifyName(name)).toBe('extension');
  });

  it('that begin with x- are reserved', () => {
    expect(classifyName('x-acme.search.v1')).toBe('reserved');
  });
});
