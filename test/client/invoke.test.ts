/** Starting a job. Each test pins one way in which the answer comes, or does not. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ArcpError, type Notice } from '../../src/client/index.js';
import { drain, FakeRuntime, rejection, turn } from './fake-runtime.js';

describe('invoke', () => {
  it('sends what it was given, and nothing that it was not', async () => {
    const { client, connection } = await new FakeRuntime().open();
    void client.invoke('echo@1.0.0', { x: 1 });
    const bare = await connection.next('tool.invoke');
    expect(bare).toEqual({
      arcp: '1.1',
      id: expect.stringMatching(/^msg_.{21}$/) as string,
      type: 'tool.invoke',
      timestamp: '2026-01-01T00:00:00.000Z',
      session_id: 'sess_1',
      payload: { tool: 'echo@1.0.0', arguments: { x: 1 } },
    });
    void client.invoke('echo', undefined, {
      budget: ['USD:5.00'],
      leaseRequest: { expires_at: '2027-01-01T00:00:00Z' },
      idempotencyKey: 'k',
      priority: 'high',
      traceId: 'trace',
    });
    expect(await connection.next('tool.invoke')).toMatchObject({
      payload: {
        tool: 'echo',
        arguments: {},
        cost_budget: ['USD:5.00'],
        lease_request: { expires_at: '2027-01-01T00:00:00Z' },
      },
      idempotency_key: 'k',
      priority: 'high',
      trace_id: 'trace',
    });
  });

  it('resolves on job.accepted, with the job, and is done with the terminal event', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = client.invoke('echo', { x: 1 });
    const invoke = await connection.next('tool.invoke');
    connection.event(
      'job.accepted',
      { job_id: 'job_1', agent: 'echo@1.0.0' },
      { job_id: 'job_1', correlation_id: invoke.id },
    );
    const job = await invoking;
    expect(job.id).toBe('job_1');
    expect(job.accepted.agent).toBe('echo@1.0.0');
    connection.complete('job_1', { value: { x: 1 }, summary: 'done' });
    expect(await job.result()).toEqual({ value: { x: 1 }, summary: 'done' });
    expect(job.ended).toBe(true);
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('takes the job id from the payload where the envelope has none', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = client.invoke('echo');
    const invoke = await connection.next('tool.invoke');
    connection.event('job.accepted', { job_id: 'job_1' }, { correlation_id: invoke.id });
    const job = await invoking;
    connection.complete('job_1');
    const { items } = await drain(job);
    expect(items.map(({ type, job_id }) => [type, job_id])).toEqual([
      ['job.accepted', 'job_1'],
      ['job.completed', 'job_1'],
    ]);
  });

  it('keeps answers apart, whatever order they come in', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = ['a', 'b', 'c'].map((agent) => client.invoke(agent));
    const invokes = [
      await connection.next('tool.invoke'),
      await connection.next('tool.invoke'),
      await connection.next('tool.invoke'),
    ];
    for (const { id, payload } of invokes.reverse()) {
      connection.event('job.accepted', { job_id: `job_${payload.tool}` }, { correlation_id: id });
    }
    const jobs = await Promise.all(invoking);
    expect(jobs.map(({ id }) => id)).toEqual(['job_a', 'job_b', 'job_c']);
  });

  it('rejects with the error of a job.failed that comes without an accept (decision 2)', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = rejection(client.invoke('Bad@'));
    const invoke = await connection.next('tool.invoke');
    connection.event(
      'job.failed',
      { code: 'INVALID_ARGUMENT', message: 'bad reference', retryable: false, details: { fault: 'name' } },
      { correlation_id: invoke.id },
    );
    const error = await invoking;
    expect(error).toBeInstanceOf(ArcpError);
    expect(error).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'bad reference',
      details: { fault: 'name' },
    });
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('gives the job of an unknown agent, which then fails with the code (decision 2)', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = client.invoke('nobody');
    await connection.acceptJob('job_1');
    const job = await invoking;
    connection.event('job.failed', { code: 'AGENT_NOT_AVAILABLE', message: 'nobody' }, { job_id: 'job_1' });
    expect(await rejection(job.result())).toMatchObject({ code: 'AGENT_NOT_AVAILABLE', retryable: false });
    expect((await drain(job)).items.map(({ type }) => type)).toEqual(['job.accepted', 'job.failed']);
  });

  it.each([
    ['job.cancelled', {}, 'CANCELLED'],
    ['job.completed', { value: 1 }, 'INTERNAL'],
    ['tool.error', { code: 'PERMISSION_DENIED', message: 'no' }, 'PERMISSION_DENIED'],
    ['nack', { code: 'RESOURCE_EXHAUSTED', message: 'too many' }, 'RESOURCE_EXHAUSTED'],
  ] as const)('rejects when %s answers it', async (type, payload, code) => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = rejection(client.invoke('echo'));
    const invoke = await connection.next('tool.invoke');
    connection.reply(type, payload, { correlation_id: invoke.id });
    expect(await invoking).toMatchObject({ code });
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('rejects when its answer cannot be read, and nobody else is harmed (law L6)', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const notices: Notice[] = [];
    client.on('notice', (notice) => notices.push(notice));
    const first = rejection(client.invoke('a'));
    const second = client.invoke('b');
    const invoke = await connection.next('tool.invoke');
    connection.raw(
      runtime.frame(
        'job.accepted',
        { job_id: 7 },
        { correlation_id: invoke.id, event_seq: runtime.nextSeq() },
      ),
    );
    await connection.acceptJob('job_b');
    expect(await first).toMatchObject({ code: 'INTERNAL' });
    expect((await second).id).toBe('job_b');
    expect(notices).toMatchObject([{ kind: 'undecodable', refusal: { type: 'job.accepted' } }]);
  });

  it('loses only the job whose terminal event cannot be read', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const invoking = [client.invoke('a'), client.invoke('b')];
    await connection.acceptJob('job_a');
    await connection.acceptJob('job_b');
    const [a, b] = await Promise.all(invoking);
    connection.raw(
      runtime.frame('job.completed', { result_size: -1 }, { job_id: 'job_a', event_seq: runtime.nextSeq() }),
    );
    connection.complete('job_b');
    expect(await rejection(a?.result() ?? Promise.resolve())).toMatchObject({ code: 'INTERNAL' });
    expect(await b?.result()).toEqual({});
    expect(client.inFlight.jobs).toBe(0);
  });

  it('goes on past an event of a type that it does not know', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const invoking = client.invoke('echo');
    await connection.acceptJob('job_1');
    const job = await invoking;
    const event_seq = runtime.nextSeq();
    connection.raw(JSON.stringify({ arcp: '9', id: 'msg_x', type: 'job.dreamt', event_seq, payload: {} }));
    connection.complete('job_1', { value: 1 });
    expect(await job.result()).toEqual({ value: 1 });
  });

  it('rejects with DEADLINE_EXCEEDED when no answer comes, each call at its own time', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open({ limits: { keepAliveMs: 1_000_000 } });
    const first = rejection(client.invoke('a'));
    await runtime.clock.advance(20_000);
    let secondEnded = false;
    const second = rejection(client.invoke('b')).finally(() => (secondEnded = true));
    await runtime.clock.advance(10_000);
    expect(await first).toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
    await turn();
    expect(secondEnded).toBe(false);
    await runtime.clock.advance(20_000);
    expect(await second).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(connection.unread).toHaveLength(2);
    expect(client.inFlight.calls).toBe(0);
  });

  it('cancels a job that is accepted after its invoke was given up', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open({ limits: { keepAliveMs: 1_000_000 } });
    const invoking = rejection(client.invoke('slow'));
    await runtime.clock.advance(30_000);
    expect(await invoking).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await connection.acceptJob('job_late');
    const cancel = await connection.next('cancel');
    expect(cancel.payload).toMatchObject({ target: 'job', target_id: 'job_late' });
    connection.reply(
      'cancel.accepted',
      { target: 'job', target_id: 'job_late' },
      { correlation_id: cancel.id },
    );
    await turn();
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('remembers the last 1,024 invokes that were given up, and no more (law L7)', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open({ limits: { keepAliveMs: 1_000_000 } });
    const invoking = Array.from({ length: 1_025 }, () => rejection(client.invoke('slow')));
    await runtime.clock.advance(30_000);
    await Promise.all(invoking);
    await connection.acceptJob('job_forgotten');
    await connection.acceptJob('job_known');
    for (let i = 2; i < 1_025; i++) await connection.next('tool.invoke');
    expect((await connection.next('cancel')).payload.target_id).toBe('job_known');
    await turn();
    expect(connection.unread).toEqual([]);
  });

  it('gives a second invoke with the same key the job that there is already (decision 11)', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const first = client.invoke('echo', {}, { idempotencyKey: 'k' });
    await connection.acceptJob('job_1');
    const second = client.invoke('echo', {}, { idempotencyKey: 'k' });
    await connection.acceptJob('job_1');
    expect(await second).toBe(await first);
    connection.complete('job_1');
    const job = await second;
    expect((await drain(job)).items.map(({ type }) => type)).toEqual(['job.accepted', 'job.completed']);
  });

  it('follows a finished job anew when its key is used again (decision 11)', async () => {
    const { client, connection } = await new FakeRuntime().open();
    for (let i = 0; i < 2; i++) {
      const invoking = client.invoke('echo', {}, { idempotencyKey: 'k' });
      await connection.acceptJob('job_1');
      connection.complete('job_1', { value: 'same' });
      expect(await (await invoking).result()).toEqual({ value: 'same' });
    }
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it.each([
    ['what JSON cannot hold', { n: 1n }, 'INVALID_ARGUMENT'],
    ['what no frame can hold', { text: 'x'.repeat(1_572_864) }, 'INVALID_ARGUMENT'],
    ['what no frame can hold in bytes', { text: 'ß'.repeat(1_000_000) }, 'INVALID_ARGUMENT'],
  ])('refuses %s without sending it', async (_, args, code) => {
    const { client, connection } = await new FakeRuntime().open();
    expect(await rejection(client.invoke('echo', args))).toMatchObject({ code });
    await turn();
    expect(connection.unread).toEqual([]);
    expect(client.inFlight.calls).toBe(0);
  });

  it('refuses the call beyond maxPendingCalls with RESOURCE_EXHAUSTED (law L7)', async () => {
    const { client } = await new FakeRuntime().open({ limits: { maxPendingCalls: 2 } });
    void client.invoke('a');
    void client.invoke('b');
    await turn();
    expect(await rejection(client.invoke('c'))).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  });

  describe('with a signal', () => {
    it('sends nothing when it is aborted already', async () => {
      const { client, connection } = await new FakeRuntime().open();
      const signal = AbortSignal.abort();
      expect(await rejection(client.invoke('echo', {}, { signal }))).toMatchObject({ code: 'CANCELLED' });
      await turn();
      expect(connection.unread).toEqual([]);
    });

    it('rejects at once when it is aborted before the accept, and cancels the job that comes all the same', async () => {
      const { client, connection } = await new FakeRuntime().open();
      const stop = new AbortController();
      const invoking = rejection(client.invoke('slow', {}, { signal: stop.signal }));
      await turn();
      const cause = new Error('enough');
      stop.abort(cause);
      expect(await invoking).toMatchObject({ code: 'CANCELLED', cause });
      await connection.acceptJob('job_1');
      expect((await connection.next('cancel')).payload.target_id).toBe('job_1');
    });

    it('cancels the job when it is aborted after the accept; the job then ends as the runtime says', async () => {
      const { client, connection } = await new FakeRuntime().open();
      const stop = new AbortController();
      const invoking = client.invoke('slow', {}, { signal: stop.signal });
      await connection.acceptJob('job_1');
      const job = await invoking;
      stop.abort();
      const cancel = await connection.next('cancel');
      connection.reply(
        'cancel.accepted',
        { target: 'job', target_id: 'job_1' },
        { correlation_id: cancel.id },
      );
      connection.event('job.cancelled', { reason: 'aborted by the client' }, { job_id: 'job_1' });
      expect(await rejection(job.result())).toMatchObject({
        code: 'CANCELLED',
        message: 'aborted by the client',
      });
    });

    it('does nothing when it is aborted after the end', async () => {
      const { client, connection } = await new FakeRuntime().open();
      const stop = new AbortController();
      const invoking = client.invoke('fast', {}, { signal: stop.signal });
      await connection.acceptJob('job_1');
      connection.complete('job_1');
      await (await invoking).result();
      expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
      stop.abort();
      await turn();
      expect(connection.unread).toEqual([]);
    });

    it('leaves nothing on the signal when the invoke is refused', async () => {
      const { client, connection } = await new FakeRuntime().open();
      const stop = new AbortController();
      const invoking = rejection(client.invoke('echo', {}, { signal: stop.signal }));
      const invoke = await connection.next('tool.invoke');
      connection.reply('nack', { code: 'UNAVAILABLE', message: 'no' }, { correlation_id: invoke.id });
      await invoking;
      expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    });
  });
});
