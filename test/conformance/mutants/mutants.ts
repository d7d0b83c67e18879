/** The deliberately broken runtimes: what is wrong with each, and the scenario that finds it out. */
import type { Frame, Mutant } from './proxy.js';
import { again, answer, late, on, payloadOf, remembered, without, withPayload } from './rewrites.js';

const isEvent = ({ event_seq }: Frame): boolean => event_seq !== undefined;

function withoutKeys(payload: object, ...keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(payload).filter(([key]) => !keys.includes(key)));
}

const lifecycle: readonly Mutant[] = [
  {
    id: 'forgets-the-end',
    does: 'never sends job.completed',
    caughtBy: 'job-story',
    toClient: without('job.completed'),
  },
  {
    id: 'doubles-the-end',
    does: 'sends job.completed twice',
    caughtBy: 'job-one-end',
    toClient: on('job.completed', (frame) => [frame, again(frame)]),
  },
  {
    id: 'talks-after-the-end',
    does: 'sends another event of a job that has ended',
    caughtBy: 'job-one-end',
    toClient: on('job.completed', (frame) => [
      frame,
      { ...again(frame), type: 'log', payload: { level: 'info', message: 'late' } },
    ]),
  },
  {
    id: 'late-accept',
    does: 'sends job.accepted after job.started',
    caughtBy: 'job-story',
    toClient: late('job.accepted', ({ type }) => type === 'job.started'),
  },
  {
    id: 'loses-the-value',
    does: 'completes jobs without their value',
    caughtBy: 'job-story',
    toClient: on('job.completed', (frame) => [{ ...frame, payload: {} }]),
  },
  {
    id: 'fails-as-success',
    does: 'calls a failed job completed',
    caughtBy: 'job-fails',
    toClient: on('job.failed', (frame) => [{ ...frame, type: 'job.completed', payload: {} }]),
  },
  {
    id: 'wrong-correlation',
    does: 'correlates the end of a job to another command',
    caughtBy: 'job-story',
    toClient: on('job.completed', (frame) => [{ ...frame, correlation_id: 'msg_of_somebody_else' }]),
  },
  {
    id: 'loses-the-trace',
    does: 'leaves trace_id out of the end of a job',
    caughtBy: 'envelope-trace',
    toClient: on('job.completed', ({ trace_id: _, ...frame }) => [frame]),
  },
  {
    id: 'does-it-twice',
    does: 'executes a command again that was sent again under the same id',
    caughtBy: 'envelope-repeated-id',
    toRuntime: on('tool.invoke', (frame) => [again(frame)]),
  },
  {
    id: 'repeats-by-key',
    does: 'does work again that has the same idempotency key',
    caughtBy: 'key-finished',
    toRuntime: on('tool.invoke', ({ idempotency_key: _, ...frame }) => [frame]),
  },
  {
    id: 'cancel-after-the-end',
    does: 'sends cancel.accepted after job.cancelled',
    caughtBy: 'cancel-order',
    toClient: late('cancel.accepted', ({ type }) => type === 'job.cancelled'),
  },
  {
    id: 'no-heartbeats',
    does: 'sends no heartbeats',
    caughtBy: 'heartbeat-of-runtime',
    toClient: without('job.heartbeat'),
  },
  {
    id: 'forgives-silence',
    does: 'lets a silent job go on for ever',
    caughtBy: 'heartbeat-lost',
    toClient: without('job.failed', (frame) => payloadOf(frame)['code'] === 'HEARTBEAT_LOST'),
  },
];

const sessions: readonly Mutant[] = [
  {
    id: 'gap',
    does: 'leaves out every second event_seq',
    caughtBy: 'job-story',
    nextSeq: (last) => last + 2,
  },
  {
    id: 'restarts-numbers',
    does: 'begins event_seq at 1 again after a resume',
    caughtBy: 'resume-replay',
    resumesAt: () => 0,
  },
  {
    id: 'loses-on-resume',
    does: 'loses the first event that a resumed session has missed',
    caughtBy: 'resume-replay',
    toClient: (frame, { own }) => {
      if (frame.type === 'session.resumed') own.set('resumed', true);
      if (!isEvent(frame) || own.get('resumed') !== true) return [frame];
      own.delete('resumed');
      return [];
    },
  },
  {
    id: 'rewrites-history',
    does: 'tells another value when it tells an event again',
    caughtBy: 'resume-from-earlier',
    toClient: (frame, { own }) => {
      if (frame.type === 'session.resumed') own.set('resumed', true);
      return own.get('resumed') === true && frame.type === 'job.started'
        ? [withPayload(frame, { description: 'another story' })]
        : [frame];
    },
  },
  {
    id: 'resumes-anybody',
    does: 'resumes a session for a token that nobody gave out',
    caughtBy: 'resume-unknown-token',
    toClient: on('session.rejected', (frame) => [
      {
        ...frame,
        type: 'session.resumed',
        payload: { session_id: 'sess_1', resume_token: 'rt_1', replayed_from: 1, replayed: false },
      },
    ]),
  },
  {
    id: 'lets-anybody-in',
    does: 'does not look at the token',
    caughtBy: 'handshake-wrong-token',
    toRuntime: on('session.open', (frame) => [
      withPayload(frame, { auth: { scheme: 'bearer', token: 'conformance-token-of-a' } }),
    ]),
  },
  {
    id: 'works-before-the-handshake',
    does: 'does what was asked for before the session was accepted',
    caughtBy: 'handshake-command-before',
    toRuntime: (frame, { own }) => {
      if (frame.type !== 'session.open' && own.get('opened') !== true) {
        own.set('early', frame);
        return [];
      }
      own.set('opened', true);
      const early = own.get('early') as Frame | undefined;
      own.delete('early');
      return early === undefined ? [frame] : [frame, early];
    },
  },
  {
    id: 'never-says-closed',
    does: 'does not answer session.close',
    caughtBy: 'close-answered',
    toClient: without('session.closed'),
  },
  {
    id: 'numbers-a-pong',
    does: 'gives a session.pong an event_seq',
    caughtBy: 'control-session-ping',
    toClient: on('session.pong', (frame) => [{ ...frame, event_seq: 1 }]),
  },
  {
    id: 'dies-of-garbage',
    does: 'drops the connection at a frame that is not JSON',
    caughtBy: 'envelope-not-json',
    garbage: (memory) => {
      memory.cut();
    },
  },
  {
    id: 'silent-about-unknown',
    does: 'says nothing about an unknown type',
    caughtBy: 'type-unknown-core',
    toClient: without('nack'),
  },
  {
    id: 'nack-without-correlation',
    does: 'does not say what a nack is about',
    caughtBy: 'type-unknown-core',
    toClient: on('nack', ({ correlation_id: _, ...frame }) => [frame]),
  },
  {
    id: 'complains-of-optional',
    does: 'refuses an extension that is optional',
    caughtBy: 'type-optional-extension',
    toRuntime: (frame, memory) => {
      if (!frame.type.startsWith('arcpx.')) return [frame];
      memory.toClient(answer(frame, 'nack', { code: 'UNIMPLEMENTED', message: 'unknown' }));
      return [];
    },
  },
  {
    id: 'claims-every-extension',
    does: 'says that whatever a client asks for is agreed on',
    caughtBy: 'handshake-extensions',
    toClient: on('session.accepted', (frame) => {
      const capabilities = payloadOf(frame)['capabilities'] as object;
      const extensions = ['arcpx.arcp.human.v1', 'arcpx.nobody.knows.v1'];
      return [withPayload(frame, { capabilities: { ...capabilities, extensions } })];
    }),
  },
];

const results: readonly Mutant[] = [
  {
    id: 'wrong-chunk-order',
    does: 'sends the second chunk before the first',
    caughtBy: 'chunks-text',
    toClient: late('job.result_chunk', ({ type }) => type === 'job.result_chunk'),
  },
  {
    id: 'doubles-a-chunk',
    does: 'sends each chunk twice',
    caughtBy: 'chunks-text',
    toClient: on('job.result_chunk', (frame) => [frame, again(frame)]),
  },
  {
    id: 'forgets-the-last-chunk',
    does: 'completes without the final chunk',
    caughtBy: 'chunks-text',
    toClient: without('job.result_chunk', (frame) => payloadOf(frame)['more'] === false),
  },
  {
    id: 'corrupts-a-chunk',
    does: 'changes bytes of a chunk',
    caughtBy: 'chunks-large',
    toClient: on('job.result_chunk', (frame) => {
      const { data, chunk_seq } = payloadOf(frame);
      return [chunk_seq === 3 ? withPayload(frame, { data: `AAAA${String(data).slice(4)}` }) : frame];
    }),
  },
  {
    id: 'floats-money',
    does: 'counts money in floating point',
    caughtBy: 'budget-exact',
    toClient: on('metric', (frame, { own }) => {
      if (payloadOf(frame)['name'] !== 'cost.budget.remaining') return [frame];
      const left = ((own.get('left') as number | undefined) ?? 0.3) - 0.1;
      own.set('left', left);
      return [withPayload(frame, { value: left })];
    }),
  },
  {
    id: 'overspends',
    does: 'does not know of budgets',
    caughtBy: 'budget-exhausted',
    toRuntime: on('tool.invoke', (frame) => [
      { ...frame, payload: withoutKeys(payloadOf(frame), 'cost_budget') },
    ]),
  },
];

const authority: readonly Mutant[] = [
  {
    id: 'leaks-by-watching',
    does: 'lets anybody watch any job',
    caughtBy: 'watch-strangers',
    toClient: on('nack', (frame) => [
      {
        ...frame,
        type: 'job.subscribed',
        payload: { job_id: 'job_1', current_status: 'running', agent: 'x', subscribed_from: 0 },
      },
    ]),
  },
  {
    id: 'leaks-by-listing',
    does: 'lists the jobs of everybody',
    caughtBy: 'list-others',
    toClient: (frame, memory) => {
      const jobs = remembered(memory, 'jobs');
      if (frame.type === 'job.accepted') jobs.set(String(frame['job_id']), frame);
      if (frame.type !== 'session.jobs') return [frame];
      const listed = payloadOf(frame)['jobs'] as readonly object[];
      return [withPayload(frame, { jobs: [...listed, ...[...jobs.keys()].map((job_id) => ({ job_id }))] })];
    },
  },
  {
    id: 'cancels-for-anybody',
    does: 'lets anybody cancel any job',
    caughtBy: 'cancel-strangers',
    toClient: on('cancel.refused', (frame) => [{ ...frame, type: 'cancel.accepted' }]),
  },
  {
    id: 'gives-artifacts-away',
    does: 'gives an artifact to whoever knows its id',
    caughtBy: 'artifact-strangers',
    toClient: on('nack', (frame) => [
      { ...frame, type: 'artifact.put', payload: { media_type: 'text/plain', data: 'aGVsbG8=' } },
    ]),
  },
  {
    id: 'takes-expired-leases',
    does: 'takes a lease that is over',
    caughtBy: 'lease-past',
    toRuntime: on('tool.invoke', (frame) => [
      { ...frame, payload: withoutKeys(payloadOf(frame), 'lease_request') },
    ]),
  },
  {
    id: 'never-expires',
    does: 'lets a job go on when its lease has run out',
    caughtBy: 'lease-runs-out',
    toRuntime: on('tool.invoke', (frame) => [
      { ...frame, payload: withoutKeys(payloadOf(frame), 'lease_request') },
    ]),
  },
  {
    id: 'widens-children',
    does: 'gives a child a larger budget than its parent has',
    caughtBy: 'delegate-larger-budget',
    toRuntime: on('tool.invoke', (frame) => {
      const payload = payloadOf(frame);
      return [{ ...frame, payload: { ...withoutKeys(payload, 'cost_budget') } }];
    }),
  },
  {
    id: 'child-answers-parent',
    does: "correlates the events of a child to its parent's command",
    caughtBy: 'delegate-child',
    toClient: (frame, { own }) => {
      if (typeof frame['correlation_id'] === 'string' && frame.type === 'job.accepted' && !own.has('invoke'))
        own.set('invoke', frame['correlation_id']);
      return isEvent(frame) && frame['correlation_id'] === undefined
        ? [{ ...frame, correlation_id: own.get('invoke') }]
        : [frame];
    },
  },
  {
    id: 'asks-everybody',
    does: 'sends agent.delegate to clients that did not opt in',
    caughtBy: 'delegate-not-opted-in',
    toClient: on('event.emit', (frame) => [
      payloadOf(frame)['name'] === 'agent.delegate'
        ? { ...frame, type: 'agent.delegate', payload: { target: 'echo', task: 'x' } }
        : frame,
    ]),
  },
  {
    id: 'takes-any-answer',
    does: 'does not check answers against their schema',
    caughtBy: 'question-schema',
    toClient: without('nack'),
  },
];

const watching: readonly Mutant[] = [
  {
    id: 'history-first',
    does: 'tells the past before it answers job.subscribe',
    caughtBy: 'watch-history',
    toClient: late('job.subscribed', isEvent),
  },
  {
    id: 'history-twice',
    does: 'tells a watcher each event twice',
    caughtBy: 'watch-history',
    toClient: on('job.progress', (frame) => [frame, again(frame)]),
  },
];

const draft: readonly Mutant[] = [
  {
    id: 'draft-cancel-after-the-end',
    does: 'sends job.cancelled after job.error',
    caughtBy: 'draft-cancel-order',
    toClient: late('job.cancelled', ({ type }) => type === 'job.error'),
  },
  {
    id: 'draft-numbers-the-accept',
    does: 'gives job.accepted an event_seq',
    caughtBy: 'draft-job-story',
    toClient: on('job.accepted', (frame) => [{ ...frame, event_seq: 1 }]),
  },
  {
    id: 'draft-final-internal-error',
    does: 'says that an INTERNAL_ERROR is not retryable',
    caughtBy: 'draft-job-fails',
    toClient: on('job.error', (frame) => [withPayload(frame, { retryable: false })]),
  },
  {
    id: 'draft-session-wide-refusal',
    does: 'answers a refused submission with session.error',
    caughtBy: 'draft-agent-unknown',
    toClient: on('job.error', ({ event_seq: _, ...frame }) => [{ ...frame, type: 'session.error' }]),
  },
  {
    id: 'draft-uses-all-features',
    does: 'sends progress that was not agreed on',
    caughtBy: 'draft-features-progress',
    toClient: on('job.event', (frame) => [
      payloadOf(frame)['kind'] === 'status'
        ? withPayload(frame, { kind: 'progress', body: { current: 1 } })
        : frame,
    ]),
  },
];

export const MUTANTS: readonly Mutant[] = [
  ...lifecycle,
  ...sessions,
  ...results,
  ...authority,
  ...watching,
  ...draft,
];
