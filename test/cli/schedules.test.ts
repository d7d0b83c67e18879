/** `arcp schedule` and `arcp schedules` as real processes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scheduleLine } from '../../src/cli/schedule.js';
import { arcp, jsonLines, serve, type Serving } from './arcp.js';

const TOKEN = 'a-token-for-this-test';

let server: Serving;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  server = await serve(['--conformance', '--drain', '0', '--store', 'memory'], { ARCP_TOKEN: TOKEN });
  env = { ARCP_TOKEN: TOKEN, ARCP_URL: server.url };
});

afterAll(async () => {
  server.arcp.signal('SIGTERM');
  await server.arcp.ended();
});

describe('arcp schedule', () => {
  it('has a job started later, which other processes find', async () => {
    const { code, stdout } = await arcp(['schedule', 'echo', '--arg', 'n=1', '--after', '1ms'], env);
    expect(code).toBe(0);
    const id = stdout.trim();
    expect(id).toMatch(/^sched_/);
    // Each look is a process of its own, which takes longer than the schedule waits.
    for (let looks = 0; ; looks += 1) {
      const [listed] = jsonLines((await arcp(['schedules', '--json'], env)).stdout);
      if (listed?.['status'] === 'active' && looks < 20) continue;
      expect(listed).toMatchObject({ schedule_id: id, status: 'done', agent: 'echo' });
      const jobs = jsonLines((await arcp(['jobs', '--json'], env)).stdout);
      expect(jobs).toMatchObject([{ job_id: listed?.['last_job_id'], schedule_id: id, status: 'completed' }]);
      break;
    }
  });

  it('takes a rule with its DTSTART on one line, and cancels it', async () => {
    const rule = 'DTSTART;TZID=Europe/Paris:20990101T090000\\nRRULE:FREQ=DAILY';
    const far = await arcp(['schedule', 'echo', '--every', rule], env);
    expect(far).toMatchObject({ code: 1 });
    expect(far.stderr).toContain('INVALID_ARGUMENT');
    const { stdout } = await arcp(['schedule', 'echo', '--every', rule.replace('2099', '2026')], env);
    const id = stdout.trim();
    expect((await arcp(['schedules'], env)).stdout).toContain(`${id}  active`);
    expect(await arcp(['schedules', 'cancel', id], env)).toMatchObject({
      code: 0,
      stderr: `${id} is cancelled\n`,
    });
    expect((await arcp(['schedules', 'cancel', id], env)).code).toBe(1);
    expect((await arcp(['schedules'], env)).stdout).toContain(`${id}  cancelled`);
  });

  it.each([[[]], [['--after', '1s', '--at', '2099-01-01T00:00:00Z']], [['--after', 'soon']]])(
    'exits 2 for %j: one time is needed',
    async (options) => {
      expect((await arcp(['schedule', 'echo', ...options], env)).code).toBe(2);
    },
  );
});

it('a schedule is one line, with what came of the last occurrence', () => {
  const common = {
    schedule_id: 'sched_1',
    type: 'tool.invoke',
    agent: 'echo',
    created_at: '2026-01-01T00:00:00Z',
  } as const;
  expect(
    scheduleLine({ ...common, status: 'done', when: { after: 5 }, last_at: 'T', last_job_id: 'job_1' }),
  ).toBe('sched_1  done       echo  after 5 s  last T job_1');
  const when = { every: 'DTSTART:X\nRRULE:Y' };
  const last_error = { code: 'INVALID_REQUEST', message: 'too late' } as const;
  expect(scheduleLine({ ...common, status: 'active', when, next_at: 'N', last_at: 'T', last_error })).toBe(
    'sched_1  active     echo  DTSTART:X RRULE:Y  next N  last T INVALID_REQUEST: too late',
  );
});
