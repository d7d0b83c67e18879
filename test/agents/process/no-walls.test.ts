/** A machine where nothing can put walls around a process: what needs them is refused, never let through (D1). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { processAgent } from '../../../src/index.js';
import { hosting, scripted, type Hosted } from './hosted.js';

const path = process.env['PATH'];
let hosted: Hosted;
beforeAll(async () => {
  process.env['PATH'] = '/nowhere';
  const script = `echo '{"type":"job.completed","payload":{}}'`;
  const strict = processAgent({ name: 'strict', version: '1.0.0', command: ['sh', '-c', script] });
  hosted = await hosting([strict, scripted('trusted', script)]);
});
afterAll(async () => {
  process.env['PATH'] = path;
  await hosted.runtime.close();
});

it('a job that needs walls fails, and says what to install', async () => {
  const { client } = hosted;
  const needs = {
    type: 'job.failed',
    payload: {
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('install bubblewrap') as unknown,
    },
  };
  expect(await client.terminal(await client.accepted('strict'))).toMatchObject(needs);
  const lease = { payload: { lease_request: { 'fs.read': ['/usr/**'] } } };
  expect(await client.terminal(await client.accepted('trusted', {}, lease))).toMatchObject(needs);
});

it('a job that needs none runs', async () => {
  const { client } = hosted;
  expect(await client.terminal(await client.accepted('trusted'))).toMatchObject({ type: 'job.completed' });
});
