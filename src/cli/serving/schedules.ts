/**
 * The schedules of a config file: those that it has are there when the runtime starts, and those that it had and has no
 * more are ended. It knows its own by their idempotency keys, which name each and say what it was: the same line of the
 * file is the same schedule after any number of starts, and one that was changed takes the place of the one before.
 *
 * Schedules that clients made are left alone. Those of a principal that the file names no more, in a schedule or a token,
 * go on until somebody cancels them.
 */
import { createHash } from 'node:crypto';
import { connect } from '../../client/index.js';
import type { Runtime } from '../../index.js';
import { ArcpError } from '../../protocol/index.js';
import { memoryPair } from '../../transport/memory.js';
import type { ConfiguredSchedule } from '../config/schema.js';
import { EXIT } from '../exit-codes.js';
import { describe, Failure } from '../failure.js';
import type { Access } from './access.js';
import type { ServeSettings } from './settings.js';

const OURS = 'arcp.config/';

/** @throws Failure for one that the runtime does not take. */
export async function keepSchedules(
  runtime: Runtime,
  { schedules, envTokens }: Pick<ServeSettings, 'schedules' | 'envTokens'>,
  access: Pick<Access, 'actAs' | 'retire'>,
): Promise<void> {
  const principals = new Set([...schedules, ...envTokens].map(({ principal }) => principal));
  if (principals.size === 0) return;
  await runtime.recover();
  try {
    for (const principal of principals) {
      const own = schedules.filter((schedule) => schedule.principal === principal);
      await keepThoseOf(runtime, access.actAs(principal), own);
    }
  } finally {
    access.retire();
  }
}

async function keepThoseOf(
  runtime: Runtime,
  token: string,
  schedules: readonly ConfiguredSchedule[],
): Promise<void> {
  const client = await connect('memory:', {
    token,
    reconnect: false,
    dial: () => {
      const [here, there] = memoryPair({ maxFrameBytes: runtime.limits.maxFrameBytes });
      runtime.accept(there);
      return Promise.resolve(here);
    },
  });
  try {
    const wanted = new Map(schedules.map((schedule) => [keyOf(schedule), schedule]));
    for await (const { schedule_id, status, idempotency_key: key } of client.schedules()) {
      if (key?.startsWith(OURS) !== true || status !== 'active') continue;
      if (!wanted.delete(key)) await client.cancelSchedule(schedule_id);
    }
    for (const [key, { name, agent, arguments: args = {}, every, budget }] of wanted) {
      try {
        const options = { idempotencyKey: key, ...(budget === undefined ? {} : { budget }) };
        await client.schedule(agent, args, { every }, options);
      } catch (error) {
        throw new Failure(
          EXIT.usage,
          `schedule ${name} is not taken: ${describe(ArcpError.from(error))}`,
          'correct it in the config file',
          error,
        );
      }
    }
  } finally {
    await client.close();
  }
}

function keyOf(schedule: ConfiguredSchedule): string {
  const { name, agent, arguments: args, every, budget } = schedule;
  const said = JSON.stringify([agent, args, every, budget]);
  return `${OURS}${name}/${createHash('sha256').update(said).digest('base64url').slice(0, 22)}`;
}
