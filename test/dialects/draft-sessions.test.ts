/** Sessions in draft-1.1: handshake, resume both ways, liveness, listings, subscriptions, close. */
import { describe, expect, it } from 'vitest';
import { bearerTokens, defineAgent, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { DRAFT_FEATURES } from '../../src/protocol/draft/features.js';
import { draftBench } from './draft-bench.js';

function puppet() {
  const contexts: JobContext[] = [];
  const agent = defineAgent({
    name: 'puppet',
    version: '1.0.0',
    run: (_input, ctx) => {
      contexts.push(ctx);
      return untilAborted(ctx.signal);
    },
  });
  return { agent, say: (message: string) => contexts[0]?.log('info', message) };
}

const fast = defineAgent({ name: 'fast', version: '1.0.0', run: () => 'done' });
const fast2 = defineAgent({ name: 'fast', version: '2.0.0', default: true, run: () => 'done' });

const withoutCredentials = DRAFT_FEATURES.filter((feature) => feature !== 'provisioned_credentials');

describe('a hello', () => {
  it('is welcomed with what both sides have, the agents, and a way to come back', async () => {
    await using test = draftBench({ agents: [fast, fast2] });
    const client = test.draft();
    const welcome = await client.hello('ada', [...DRAFT_FEATURES, 'time_travel']);
    expect(welcome.payload).toMatchObject({
      session_id: welcome.session_id,
      runtime: { name: 'arcp-runtime' },
      resume_window_sec: 600,
      heartbeat_interval_sec: 30,
      capabilities: {
        encodings: ['json'],
        features: withoutCredentials,
        agents: [{ name: 'fast', versions: ['1.0.0', '2.0.0'], default: '2.0.0' }],
      },
    });
    expect(welcome.event_seq).toBeUndefined();
  });

  it('of a client of version 1.0 is welcomed with names alone, and nothing else of 1.1', async () => {
    await using test = draftBench({ agents: [fast, fast2] });
    const client = test.draft();
    const { payload } = await client.hello('ada', null);
    expect(payload.capabilities).toEqual({ encodings: ['json'], features: [], agents: ['fast'] });
    expect(payload.heartbeat_interval_sec).toBeUndefined();
    await client.terminal(await client.accepted('fast'));
    for (const [type, payload] of [
      ['session.list_jobs', {}],
      ['job.subscribe', { job_id: 'job_1' }],
    ] as const) {
      const id = client.send(type, payload);
      const { payload: error } = await client.next('session.error');
      expect(error).toMatchObject({ code: 'INVALID_REQUEST', details: { request_id: id } });
      expect(error.message).toContain('was not agreed on');
    }
    await test.clock.advance(300_000);
    expect(client.seen('session.ping')).toEqual([]);
    expect(client.end).toBeUndefined();
  });

  it.each([
    ['a token that is not known', { auth: { scheme: 'bearer', token: 'eve' } }, 'UNAUTHENTICATED'],
    ['no token', { auth: { scheme: 'bearer' } }, 'UNAUTHENTICATED'],
    ['another scheme', { auth: { scheme: 'mtls' } }, 'UNAUTHENTICATED'],
    ['no auth at all', { auth: undefined }, 'INVALID_REQUEST'],
    ['an encoding that is not spoken here', { capabilities: { encodings: ['cbor'] } }, 'INVALID_REQUEST'],
  ])('with %s is answered with session.error, and the connection ends', async (_what, payload, code) => {
    await using test = draftBench();
    const client = test.draft();
    const id = client.send('session.hello', {
      client: { name: 'test', version: '0' },
      auth: { scheme: 'bearer', token: 'ada' },
      ...payload,
    });
    const error = await client.next('session.error');
    expect(error.payload).toMatchObject({ code, retryable: false, details: { request_id: id } });
    expect(JSON.stringify(error)).not.toContain('eve');
    expect((await client.closed()).code).toBe(1008);
  });

  it('that does not come within ten seconds ends the connection', async () => {
    await using test = draftBench();
    const client = test.draft();
    client.send('job.submit', { agent: 'fast' });
    await test.clock.advance(10_000);
    expect((await client.closed()).code).toBe(1008);
    expect(client.frames).toEqual([]);
  });

  it('that is not the first is refused, and the session goes on', async () => {
    await using test = draftBench({ agents: [fast] });
    const client = await test.hello();
    client.send('session.hello', { client: { name: 'x', version: '0' }, auth: { token: 'bob' } });
    expect((await client.next('session.error')).payload.code).toBe('INVALID_REQUEST');
    await client.terminal(await client.accepted('fast'));
  });
});

describe('a resume', () => {
  it.each(['hello', 'resume'] as const)(
    'by session.%s goes on in the same numbers, after the welcome',
    async (by) => {
      const { agent, say } = puppet();
      await using test = draftBench({ agents: [agent] });
      const first = await test.hello();
      const jobId = await first.accepted('puppet');
      await test.clock.settle();
      first.wire.destroy();
      say('missed');
      await test.clock.settle();
      const second = test.draft();
      const welcome = await second.resume(first, 1, by);
      expect(welcome.session_id).toBe(first.sessionId);
      expect(welcome.payload.resume_token).not.toBe(first.resumeToken);
      expect(welcome.payload.capabilities.features).toEqual(withoutCredentials);
      say('live');
      second.send('job.cancel', {}, { job_id: jobId });
      await second.terminal(jobId);
      expect(second.story()).toEqual(['status running', 'log', 'log', 'job.error']);
      expect(second.events()[0]?.event_seq).toBe(2);
    },
  );

  it('replays what was sent, to the letter', async () => {
    const { agent, say } = puppet();
    await using test = draftBench({ agents: [agent, fast] });
    const first = await test.hello();
    await first.accepted('puppet', {}, { lease_request: { 'cost.budget': ['USD:1'] } });
    await test.clock.settle();
    say('hi');
    await first.terminal(await first.accepted('fast'));
    const second = test.draft();
    await second.resume(first, 0);
    await test.clock.settle();
    expect(second.texts.slice(1)).toEqual(first.texts.slice(1));
    expect((await first.closed()).code).toBe(1000);
  });

  it.each([
    ['another principal’s bearer', { token: 'bob' }, 'PERMISSION_DENIED'],
    ['a token of another session', { session_id: 'sess_other' }, 'RESUME_WINDOW_EXPIRED'],
    ['a token that nobody gave', { resume_token: 'rt_x.y' }, 'RESUME_WINDOW_EXPIRED'],
    ['a number that was never told', { last_event_seq: 99 }, 'RESUME_WINDOW_EXPIRED'],
  ])('with %s is refused, and the session waits on', async (_what, wrong, code) => {
    await using test = draftBench();
    const first = await test.hello();
    const { token = 'ada', ...fields } = wrong as { token?: string };
    const second = test.draft();
    second.send('session.hello', {
      client: { name: 'test', version: '0' },
      auth: { scheme: 'bearer', token },
      resume: { session_id: first.sessionId, resume_token: first.resumeToken, last_event_seq: 0, ...fields },
    });
    expect((await second.next('session.error')).payload.code).toBe(code);
    await second.closed();
    await test.draft().resume(first, 0);
  });

  it('of a classic session is not taken from a session.hello', async () => {
    await using test = draftBench();
    const classic = await test.open();
    const client = test.draft();
    client.send('session.hello', {
      client: { name: 'test', version: '0' },
      auth: { scheme: 'bearer', token: 'ada' },
      resume: { session_id: classic.sessionId, resume_token: classic.resumeToken, last_event_seq: 0 },
    });
    expect((await client.next('session.error')).payload.code).toBe('RESUME_WINDOW_EXPIRED');
    expect(classic.end).toBeUndefined();
  });
});

describe('liveness', () => {
  it('a ping is answered at once', async () => {
    await using test = draftBench();
    const client = await test.hello();
    client.send('session.ping', { nonce: 'p_7', sent_at: '2026-01-01T00:00:00Z' });
    expect((await client.next('session.pong')).payload).toMatchObject({ ping_nonce: 'p_7' });
  });

  it('a quiet connection is pinged once an interval, and lives as long as its client says something', async () => {
    await using test = draftBench();
    const client = await test.hello();
    for (let interval = 0; interval < 6; interval += 1) {
      await test.clock.advance(30_000);
      const [ping] = client.seen('session.ping').slice(-1);
      if (ping !== undefined) client.send('session.pong', { ping_nonce: ping.payload.nonce });
    }
    expect(client.seen('session.ping').length).toBeGreaterThanOrEqual(5);
    expect(client.seen('session.ping').length).toBeLessThanOrEqual(6);
    expect(client.end).toBeUndefined();
  });

  it('a client that says nothing in two intervals is let go; its jobs run on and its session waits', async () => {
    const { agent, say } = puppet();
    await using test = draftBench({ agents: [agent] });
    const client = await test.hello();
    const jobId = await client.accepted('puppet');
    await test.clock.advance(90_000);
    expect((await client.next('session.error')).payload.code).toBe('HEARTBEAT_LOST');
    await client.closed();
    say('still here');
    const again = test.draft();
    await again.resume(client);
    await test.clock.settle();
    expect(again.story(jobId)).toContain('log');
  });
});

describe('what is wrong', () => {
  it.each([
    ['is no JSON', '{', undefined],
    ['has no id', '{"arcp":"1.1","type":"session.ping","payload":{"nonce":"x"}}', undefined],
    ['is of a type that is not known', '{"arcp":"1.1","id":"m1","type":"job.dance","payload":{}}', 'm1'],
    [
      'is classic',
      '{"arcp":"1.1","id":"msg_1","type":"tool.invoke","timestamp":"2026-01-01T00:00:00Z","payload":{}}',
      'msg_1',
    ],
    [
      'is for clients to read',
      '{"arcp":"1.1","id":"m2","type":"session.jobs","payload":{"request_id":"m","jobs":[]}}',
      'm2',
    ],
    ['lacks what it needs', '{"arcp":"1.1","id":"m3","type":"session.ack","payload":{}}', 'm3'],
    ['cancels no job', '{"arcp":"1.1","id":"m4","type":"job.cancel","payload":{}}', 'm4'],
    [
      'cancels a job that is not there',
      '{"arcp":"1.1","id":"m5","type":"job.cancel","job_id":"job_x","payload":{}}',
      'm5',
    ],
    [
      'watches a job that is not there',
      '{"arcp":"1.1","id":"m6","type":"job.subscribe","payload":{"job_id":"job_x"}}',
      'm6',
    ],
    [
      'watches what is no job',
      '{"arcp":"1.1","id":"m7","type":"job.subscribe","payload":{"job_id":"x"}}',
      'm7',
    ],
    [
      'asks for a page that nobody gave',
      '{"arcp":"1.1","id":"m8","type":"session.list_jobs","payload":{"cursor":"x"}}',
      'm8',
    ],
  ])('in a frame that %s is said in one session.error, and the session goes on', async (_how, frame, id) => {
    await using test = draftBench({ agents: [fast] });
    const client = await test.hello();
    client.transport.send(frame);
    const { payload } = await client.next('session.error');
    expect(['INVALID_REQUEST', 'JOB_NOT_FOUND']).toContain(payload.code);
    expect(payload.details?.['request_id']).toBe(id);
    await client.terminal(await client.accepted('fast'));
    expect(client.seen('session.error')).toHaveLength(1);
  });

  it('is passed over in a vendor’s type that is marked optional', async () => {
    await using test = draftBench();
    const client = await test.hello();
    client.send('x-vendor.acme.hello', {}, { extensions: { optional: true } });
    client.send('session.ping', { nonce: 'n' });
    await client.next('session.pong');
    expect(client.seen('session.error')).toEqual([]);
  });

  it('a command that came before is not done again', async () => {
    await using test = draftBench({ agents: [fast] });
    const client = await test.hello();
    for (const _ of [1, 2]) client.submit('fast', {}, {}, { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV' });
    await test.clock.settle();
    expect(client.seen('job.accepted')).toHaveLength(1);
    expect(client.seen('job.accepted')[0]?.payload.request_id).toBe('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  });
});

describe('listing and watching', () => {
  it('lists the principal’s jobs in the draft’s words', async () => {
    const { agent } = puppet();
    await using test = draftBench({ agents: [agent, fast] });
    const client = await test.hello();
    const running = await client.accepted('puppet', {}, { lease_request: { 'fs.read': ['/w/**'] } });
    const done = await client.accepted('fast');
    await client.terminal(done);
    await test.clock.settle();
    const id = client.send('session.list_jobs', { filter: { status: ['running'] } });
    const { payload } = await client.next('session.jobs');
    expect(payload).toMatchObject({
      request_id: id,
      jobs: [
        {
          job_id: running,
          agent: 'puppet@1.0.0',
          status: 'running',
          lease: { 'fs.read': ['/w/**'] },
          parent_job_id: null,
        },
      ],
      next_cursor: null,
    });
    client.send('session.list_jobs', {
      filter: { status: ['success'], agent: 'fast' },
      limit: 1,
      cursor: null,
    });
    expect((await client.next('session.jobs')).payload.jobs).toMatchObject([
      { job_id: done, status: 'success' },
    ]);
    const bob = await test.hello('bob');
    bob.send('session.list_jobs', {});
    expect((await bob.next('session.jobs')).payload.jobs).toEqual([]);
  });

  it('watches a job: the descriptor, then its history, then what happens, and no acceptance', async () => {
    const { agent, say } = puppet();
    await using test = draftBench({ agents: [agent] });
    const owner = await test.hello();
    const jobId = await owner.accepted(
      'puppet',
      {},
      {
        lease_request: { 'cost.budget': ['USD:2'] },
        lease_constraints: { expires_at: '2026-01-02T00:00:00Z' },
      },
    );
    await test.clock.settle();
    say('before');
    await test.clock.settle();
    const watcher = await test.hello();
    const id = watcher.send('job.subscribe', { job_id: jobId, from_event_seq: 0, history: true });
    const subscribed = await watcher.next('job.subscribed');
    expect(subscribed).toMatchObject({
      job_id: jobId,
      payload: {
        request_id: id,
        current_status: 'running',
        agent: 'puppet@1.0.0',
        lease: { 'cost.budget': ['USD:2'] },
        lease_constraints: { expires_at: '2026-01-02T00:00:00.000Z' },
        budget: { USD: 2 },
        parent_job_id: null,
        replayed: true,
      },
    });
    say('after');
    owner.send('job.cancel', {}, { job_id: jobId });
    await watcher.terminal(jobId);
    expect(watcher.story()).toEqual(['status pending', 'status running', 'log', 'log', 'job.error']);
    expect(watcher.frames.indexOf(subscribed)).toBeLessThan(
      watcher.frames.findIndex(({ type }) => type === 'job.event'),
    );
    expect(watcher.seen('job.accepted')).toEqual([]);
  });

  it('stops watching without a word', async () => {
    const { agent, say } = puppet();
    await using test = draftBench({ agents: [agent] });
    const owner = await test.hello();
    const jobId = await owner.accepted('puppet');
    const watcher = await test.hello();
    watcher.send('job.subscribe', { job_id: jobId });
    expect((await watcher.next('job.subscribed')).payload.replayed).toBe(false);
    watcher.send('job.unsubscribe', { job_id: jobId });
    await test.clock.settle();
    say('unheard');
    await test.clock.settle();
    expect(watcher.bodies('log')).toEqual([]);
  });

  it('is refused another principal’s job, by name', async () => {
    const { agent } = puppet();
    await using test = draftBench({ agents: [agent] });
    const owner = await test.hello();
    const jobId = await owner.accepted('puppet');
    const bob = await test.hello('bob');
    for (const type of ['job.subscribe', 'job.cancel']) {
      bob.send(type, { job_id: jobId }, { job_id: jobId });
      expect((await bob.next('session.error')).payload).toMatchObject({
        code: 'PERMISSION_DENIED',
        details: { job_id: jobId },
      });
    }
    await test.clock.settle();
    expect(owner.story(jobId).at(-1)).toBe('status running');
  });

  it('a session without progress and result_chunk is told of them as statuses, in the same numbers', async () => {
    const agent = defineAgent({
      name: 'both',
      version: '1.0.0',
      run: (_in, ctx) => {
        ctx.progress({ percent: 1 });
        ctx.openResult().end('text');
      },
    });
    await using test = draftBench({ agents: [agent] });
    const client = await test.hello('ada', ['subscribe']);
    await client.terminal(await client.accepted('both'));
    expect(client.story()).toEqual([
      'status pending',
      'status running',
      'status progress',
      'status result_chunk',
      'status result_chunk',
      'job.result',
    ]);
  });
});

describe('leaving', () => {
  it('session.close is answered, and the session can be taken up again while a job of it runs', async () => {
    const { agent, say } = puppet();
    await using test = draftBench({ agents: [agent] });
    const client = await test.hello();
    const jobId = await client.accepted('puppet');
    await test.clock.settle();
    client.send('session.close');
    await client.next('session.closed');
    expect((await client.closed()).code).toBe(1000);
    say('meanwhile');
    await test.clock.settle();
    const again = test.draft();
    await again.resume(client);
    await test.clock.settle();
    expect(again.story(jobId)).toEqual(['log']);
  });

  it('session.bye ends the connection without an answer', async () => {
    await using test = draftBench();
    const client = await test.hello();
    client.send('session.bye', { reason: 'done' });
    expect((await client.closed()).code).toBe(1000);
    expect(client.frames.map(({ type }) => type)).toEqual(['session.welcome']);
    expect(test.clock.pending).toBe(0);
  });
});

describe('a token that counts no more', () => {
  const tokens = () =>
    bearerTokens([
      ['ada', 'ada'],
      ['bob', 'bob'],
    ]);

  it('because it was revoked is session.error UNAUTHENTICATED, and the connection ends', async () => {
    const bearer = tokens();
    await using test = draftBench({ authenticators: [bearer] });
    const ada = await test.hello('ada');
    bearer.set([['bob', 'bob']]);
    test.runtime.recheck();
    expect((await ada.next('session.error')).payload.code).toBe('UNAUTHENTICATED');
    expect(await ada.closed()).toMatchObject({ code: 1008 });
  });

  it('because it was replaced ends the connection; session.hello with the new one resumes the session (P3)', async () => {
    const bearer = tokens();
    await using test = draftBench({ authenticators: [bearer] });
    const bob = await test.hello('bob');
    bearer.set([['ada', 'bob']]);
    test.runtime.recheck();
    expect((await bob.next('session.error')).payload).toMatchObject({ code: 'UNAUTHENTICATED' });
    await bob.closed();
    const withoutToken = test.draft();
    withoutToken.send('session.resume', { resume_token: bob.resumeToken, last_event_seq: 0 });
    expect((await withoutToken.next('session.error')).payload.code).toBe('UNAUTHENTICATED');
    const back = test.draft();
    await back.resume(bob);
    expect(back.sessionId).toBe(bob.sessionId);
  });
});
