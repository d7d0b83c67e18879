/** Alerts over real sockets: a receiver on this machine that verifies what it gets. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Alert } from '../../../src/fleet/alerts/alert.js';
import { post, type Delivery, type PostOptions } from '../../../src/fleet/alerts/post.js';
import { isPrivateAddress } from '../../../src/fleet/alerts/private-addresses.js';
import { sendAlert } from '../../../src/fleet/alerts/send.js';
import { signed, verifySignature } from '../../../src/fleet/alerts/signature.js';
import { Secret } from '../../../src/fleet/secrets/secret.js';
import { ArcpError } from '../../../src/protocol/errors.js';
import { readFleet } from '../../../src/protocol/fleet/index.js';

interface Received {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let server: Server;
let origin: string;
let received: Received[];
let answer: { status: number; headers?: Record<string, string>; body?: string };

beforeEach(async () => {
  received = [];
  answer = { status: 204 };
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (bytes: Buffer) => parts.push(bytes));
    request.on('end', () => {
      received.push({ url: request.url, headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const NOW = Date.UTC(2026, 5, 12, 17);
const KEY = 'signing-key-of-the-test';
const alert: Alert = {
  id: 'alert_1',
  class: 'stale',
  run_id: 'run-1',
  run_name: 'nightly',
  task_id: 'lint',
  worker_id: 'w-1',
  attempt: 2,
  at: '2026-06-12T17:00:00.000Z',
  summary: 'task lint of run nightly on w-1 gives no sign of life: <!channel> & co',
};

const secrets = new Map([
  ['URL', (): string => `${origin}/secret-path`],
  ['KEY', (): string => KEY],
]);

function send(channel: object, pagerUrl?: string): Promise<Delivery> {
  return sendAlert(alert, readFleet('alert_channel', channel), {
    allowedPrivateHosts: new Set(),
    resolveSecret: (ref) => {
      const value = secrets.get(ref.key);
      if (value === undefined) throw new ArcpError('NOT_FOUND', `no ${ref.key}`);
      return Promise.resolve(new Secret(ref, value()));
    },
    now: () => NOW,
    pagerUrl,
  });
}

const DELIVERED = { kind: 'delivered' };

describe('a webhook', () => {
  it('gets the whole alert, signed so that the receiver can verify it', async () => {
    expect(
      await send({ kind: 'webhook', url_ref: 'URL', url: 'https://not.used.example', secret_ref: 'KEY' }),
    ).toEqual(DELIVERED);
    const [{ url, headers, body } = { url: '', headers: {}, body: '' }] = received;
    expect(url).toBe('/secret-path');
    expect(JSON.parse(body)).toEqual({ type: 'fleet.alert', ...alert });
    expect(headers['content-type']).toBe('application/json');
    expect(headers['webhook-id']).toBe('alert_1');
    expect(JSON.stringify(headers)).not.toContain(KEY);
    const now = NOW / 1_000;
    expect(verifySignature(KEY, headers, body, now)).toBe(true);
    expect(verifySignature(KEY, headers, `${body} `, now), 'another body').toBe(false);
    expect(verifySignature('other', headers, body, now), 'another key').toBe(false);
    expect(verifySignature(KEY, { ...headers, 'webhook-id': 'x' }, body, now), 'another event').toBe(false);
    expect(verifySignature(KEY, headers, body, now + 301), 'too old').toBe(false);
    expect(verifySignature(KEY, headers, body, now - 301), 'from the future').toBe(false);
    expect(
      verifySignature(KEY, { ...headers, 'webhook-timestamp': String(now + 1) }, body, now),
      'another time',
    ).toBe(false);
    expect(verifySignature(KEY, {}, body, now), 'none').toBe(false);
  });

  it('signs as Standard Webhooks does, whose keys may be written with a prefix', () => {
    const headers = signed(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330,
      '{"test": 2432232314}',
    );
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('without a key is not signed, but has its id', async () => {
    expect(await send({ kind: 'webhook', url: `${origin}/plain` })).toEqual(DELIVERED);
    expect(received[0]?.headers['webhook-id']).toBe('alert_1');
    expect(received[0]?.headers['webhook-signature']).toBeUndefined();
  });

  it('whose secret is not there is tried again later', async () => {
    expect(await send({ kind: 'webhook', url_ref: 'NOWHERE' })).toEqual({
      kind: 'failed',
      why: 'no NOWHERE',
    });
    expect(await send({ kind: 'webhook', url: origin, secret_ref: 'NOWHERE' })).toMatchObject({
      kind: 'failed',
    });
    expect(received).toEqual([]);
  });
});

describe('slack', () => {
  it('gets a text that mentions nobody', async () => {
    expect(await send({ kind: 'slack', webhook_url: `${origin}/T/B` })).toEqual(DELIVERED);
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({
      text: '*stale* task lint of run nightly on w-1 gives no sign of life: &lt;!channel&gt; &amp; co',
    });
  });
});

describe('a pager', () => {
  it('gets an event that it can tell from others', async () => {
    expect(
      await send({ kind: 'pagerduty', routing_key: 'R0UT1NG', severity: 'critical' }, `${origin}/v2/enqueue`),
    ).toEqual(DELIVERED);
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({
      routing_key: 'R0UT1NG',
      event_action: 'trigger',
      dedup_key: 'alert_1',
      payload: {
        summary: alert.summary,
        source: 'fleet:run-1',
        severity: 'critical',
        timestamp: '2026-06-12T17:00:00.000Z',
        component: 'lint',
        class: 'stale',
        custom_details: { worker_id: 'w-1', attempt: 2 },
      },
    });
    expect(JSON.stringify(received[0]?.headers)).not.toContain('R0UT1NG');
  });
});

describe('an answer', () => {
  const post1 = (): Promise<Delivery> => send({ kind: 'webhook', url: `${origin}/x` });

  it.each([
    [200, DELIVERED],
    [202, DELIVERED],
    [500, { kind: 'failed', why: 'the endpoint answered 500' }],
    [503, { kind: 'failed', why: 'the endpoint answered 503' }],
    [408, { kind: 'failed', why: 'the endpoint answered 408' }],
    [400, { kind: 'refused', why: 'the endpoint answered 400' }],
    [410, { kind: 'refused', why: 'the endpoint answered 410' }],
  ])('of %i is %j', async (status, expected) => {
    answer = { status };
    expect(await post1()).toEqual(expected);
  });

  it('of 429 says when to come back', async () => {
    answer = { status: 429, headers: { 'retry-after': '7' } };
    expect(await post1()).toEqual({ kind: 'failed', why: 'the endpoint answered 429', afterMs: 7_000 });
    answer = { status: 429, headers: { 'retry-after': 'Fri, 12 Jun 2026 17:00:00 GMT' } };
    expect(await post1()).toEqual({ kind: 'failed', why: 'the endpoint answered 429' });
  });

  it('of a redirect leads nowhere (P3)', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      answer = { status, headers: { location: `${origin}/elsewhere` } };
      expect(await post1()).toEqual({ kind: 'refused', why: 'a redirect, which is not followed' });
    }
    expect(received.map(({ url }) => url)).toEqual(['/x', '/x', '/x', '/x', '/x']);
  });

  it('that never comes is not waited for', async () => {
    server.removeAllListeners('request');
    const options = { allowedPrivateHosts: new Set<string>(), timeoutMs: 50 };
    expect(await post(`${origin}/hang`, '{}', {}, options)).toEqual({
      kind: 'failed',
      why: 'no answer in time',
    });
  });

  it('of nobody is told by its code, without the URL (P4)', async () => {
    const { port } = server.address() as AddressInfo;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const delivery = await post(
      `http://127.0.0.1:${port}/secret`,
      '{}',
      {},
      { allowedPrivateHosts: new Set() },
    );
    expect(delivery).toEqual({ kind: 'failed', why: 'the endpoint cannot be reached (ECONNREFUSED)' });
    server = createServer().listen(0, '127.0.0.1');
  });
});

describe('where alerts may go', () => {
  const attempt = (
    url: string,
    addresses: string[] = [],
    parts: Partial<PostOptions> = {},
  ): Promise<Delivery> =>
    post(
      url,
      '{}',
      {},
      {
        allowedPrivateHosts: new Set(),
        resolve: () =>
          Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))),
        timeoutMs: 1_000,
        ...parts,
      },
    );
  const PRIVATE = { kind: 'refused', why: 'the host has a private address' };

  it('is https, but for this machine (P1)', async () => {
    const { port } = server.address() as AddressInfo;
    expect(await attempt('http://hooks.example/x', ['8.8.8.8'])).toMatchObject({ kind: 'refused' });
    expect(await attempt('ftp://hooks.example/x')).toMatchObject({ kind: 'refused' });
    expect(await attempt('not a url')).toMatchObject({ kind: 'refused' });
    expect(await attempt('https://user:pass@hooks.example/x')).toMatchObject({ kind: 'refused' });
    expect(await attempt(`http://localhost:${port}/x`, ['127.0.0.1'])).toEqual(DELIVERED);
    expect(
      await attempt(`http://localhost:${port}/x`, ['10.0.0.1']),
      'a name of this machine that is not',
    ).toEqual(PRIVATE);
  });

  it('is no private address, whatever the name (P2)', async () => {
    for (const address of [
      '10.0.0.1',
      '127.0.0.1',
      '169.254.169.254',
      '192.168.1.1',
      '::1',
      'fd00::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '0.0.0.0',
    ]) {
      expect(await attempt('https://hooks.example/x', [address]), address).toEqual(PRIVATE);
      const literal = address.includes(':') ? `[${address}]` : address;
      if (address.startsWith('127.') || address === '::1') continue;
      expect(await attempt(`https://${literal}/x`), `https://${literal}`).toEqual(PRIVATE);
    }
    expect(await attempt('https://hooks.example/x', ['8.8.8.8', '10.0.0.1']), 'one of several').toEqual(
      PRIVATE,
    );
    expect(await attempt('https://0x7f.1/x')).not.toEqual(DELIVERED);
    expect(await attempt('https://hooks.example/x', [])).toMatchObject({ kind: 'failed' });
    expect(received).toEqual([]);
  });

  it('is a private address where the operator allows the host', async () => {
    const { port } = server.address() as AddressInfo;
    const allowed = { allowedPrivateHosts: new Set(['hooks.internal']) };
    // TLS to a server that speaks none: the connection was made, and that is what was asked.
    const delivery = await attempt(`https://hooks.internal:${port}/x`, ['127.0.0.1'], allowed);
    expect(delivery).toMatchObject({ kind: 'failed' });
    expect(delivery).not.toEqual(PRIVATE);
    expect(await attempt(`https://other.internal:${port}/x`, ['127.0.0.1'], allowed)).toEqual(PRIVATE);
  });

  it.each([
    ['8.8.8.8', false],
    ['172.15.255.255', false],
    ['172.16.0.0', true],
    ['100.64.0.1', true],
    ['224.0.0.1', true],
    ['255.255.255.255', true],
    ['2606:4700::1111', false],
    ['2001:db8::1', true],
    ['2002:a00:1::', true],
    ['fe80::1', true],
    ['ff02::1', true],
    ['::', true],
    ['nonsense', true],
  ])('%s is private: %s', (address, expected) => {
    expect(isPrivateAddress(address)).toBe(expected);
  });
});
