/**
 * Many clients on a bad network, agents that end when they like, and a process that is killed now and then: 10,000 steps
 * that all follow from one seed, which is printed. `SIMULATION_SEED=n` plays one of them again.
 */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Runtime } from '../../src/index.js';
import { decodeFrame, type AnyEnvelope } from '../../src/protocol/envelope.js';
import { Puppets, type PuppetName } from '../model/puppets.js';
import type { Bench } from '../runtime/bench.js';
import { DATA, lives } from '../runtime/lives.js';
import { Random } from './random.js';
import { SimulatedClient } from './simulated-client.js';

const STEPS = Number(process.env['SIMULATION_STEPS'] ?? 10_000);
const SEED = Number(process.env['SIMULATION_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const AGENTS: readonly PuppetName[] = ['mortal', 'phoenix', 'sleeper'];
const CLIENTS = 12;
const PRINCIPALS = ['ada', 'bob'];
const JOBS_AT_ONCE = 6;
/** Steps that the world gets to come to rest in, once the network is a good one. */
const PATIENCE = 2_000;

class Simulation {
  readonly random: Random;
  readonly puppets = new Puppets();
  readonly clients: SimulatedClient[];
  readonly #lives: ReturnType<typeof lives>;
  #bench!: Bench & { readonly runtime: Runtime };
  #keys = 0;
  crashes = 0;
  cuts = 0;

  constructor(data: Parameters<typeof lives>[0], seed: number) {
    this.random = new Random(seed);
    const limits = { ackWindow: 40, softBufferBytes: 4_000 };
    this.#lives = lives(data, { agents: this.puppets.agents(), limits });
    this.clients = Array.from({ length: CLIENTS }, (_, index) => {
      const principal = PRINCIPALS[index % PRINCIPALS.length] ?? '';
      return new SimulatedClient(`${principal}${index}_`, principal);
    });
  }

  async begin(): Promise<void> {
    this.#bench = await this.#lives.next();
  }

  end(): Promise<void> {
    return this.#lives.end();
  }

  async step(): Promise<void> {
    const { random } = this;
    const client = random.pick(this.clients);
    if (client === undefined) return;
    const roll = random.below(1_000);
    if (roll < 3) await this.#crash();
    else if (roll < 20) this.#cut(client);
    else if (roll < 140) this.#submit(client);
    else if (roll < 160) this.#cancel(client);
    else if (roll < 180) this.#watch(client);
    else if (roll < 240) client.acknowledge();
    else if (roll < 480) this.#act();
    else if (roll < 720) client.link?.carryOut(1 + random.below(4), random.chance(0.2));
    else if (roll < 960) await client.link?.carryIn();
    else if (roll < 980) await this.#bench.clock.advance(random.below(500));
    else await this.#bench.clock.settle();
    if (!client.isConnected && random.chance(0.3)) client.connect(this.#bench.dial());
  }

  /** A good network, and agents that end: nothing may be left over. */
  async comeToRest(): Promise<boolean> {
    for (let patience = PATIENCE; patience > 0; patience -= 1) {
      for (const client of this.clients) {
        if (!client.isConnected) client.connect(this.#bench.dial());
        client.link?.heal();
        client.acknowledge();
      }
      for (const jobId of this.#runningOf(this.clients)) this.puppets.get(jobId).finish();
      await this.#bench.clock.advance(DEFAULT_LIMITS.restartBackoffMs);
      if (this.clients.every(({ unanswered, unfinished }) => unanswered === 0 && unfinished.length === 0)) {
        await this.#catchUp();
        return true;
      }
    }
    return false;
  }

  /** Everybody has taken what they may have. */
  async #catchUp(): Promise<void> {
    const count = (): number => this.clients.reduce((sum, { events }) => sum + events.length, 0);
    for (let before = -1; before < count();) {
      before = count();
      for (const client of this.clients) client.acknowledge();
      for (const client of this.clients) client.link?.heal();
      await this.#bench.clock.settle();
    }
  }

  /** What the session of a client is told when it is told everything again. */
  async replayOf(client: SimulatedClient): Promise<AnyEnvelope[]> {
    const found: AnyEnvelope[] = [];
    const wire = this.#bench.dial();
    wire.start({
      message: (frame) => {
        const decoded = decodeFrame(frame);
        if (decoded.ok && decoded.envelope.event_seq !== undefined) found.push(decoded.envelope);
      },
      closed: () => undefined,
    });
    wire.send(client.replayRequest());
    for (let before = -1; before < found.length;) {
      before = found.length;
      await this.#bench.clock.settle();
      const payload = { last_processed_seq: found.length };
      wire.send(
        JSON.stringify({
          arcp: '1.1',
          id: `msg_replay${found.length}`,
          type: 'session.ack',
          timestamp: '2026-01-01T00:00:00Z',
          payload,
        }),
      );
      await this.#bench.clock.settle();
    }
    return found;
  }

  async #crash(): Promise<void> {
    this.crashes += 1;
    for (const client of this.clients) client.link?.cut();
    this.puppets.die();
    this.#bench = await this.#lives.next();
  }

  #cut(client: SimulatedClient): void {
    if (!client.isConnected) return;
    this.cuts += 1;
    client.link?.cut();
  }

  #submit(client: SimulatedClient): void {
    if (client.unanswered + client.unfinished.length >= JOBS_AT_ONCE) return;
    const key = this.random.chance(0.5) ? `key ${(this.#keys += 1)}` : undefined;
    client.submit(this.random.pick(AGENTS) ?? 'mortal', key);
  }

  #cancel(client: SimulatedClient): void {
    const jobId = this.random.pick(client.unfinished);
    if (jobId !== undefined) client.cancel(jobId);
  }

  /** A job of the same principal, its own or another's session's. */
  #watch(client: SimulatedClient): void {
    const principal = client.name.slice(0, 3);
    const peers = this.clients.filter(({ name }) => name.startsWith(principal));
    const jobId = this.random.pick(this.random.pick(peers)?.unfinished ?? []);
    if (jobId !== undefined) client.watch(jobId);
  }

  #runningOf(clients: readonly SimulatedClient[]): string[] {
    return clients.flatMap(({ unfinished }) => unfinished.filter((jobId) => this.puppets.has(jobId)));
  }

  #act(): void {
    const jobId = this.random.pick(this.#runningOf(this.clients));
    if (jobId === undefined) return;
    const puppet = this.puppets.get(jobId);
    const roll = this.random.below(10);
    if (roll === 0) puppet.fail();
    else if (roll < 3) puppet.finish();
    else if (roll === 3) void puppet.ctx.checkpoint(roll).catch(() => undefined);
    else for (let line = 0; line < roll; line += 1) puppet.ctx.log('info', `line ${line}`);
  }
}

describe.each(DATA)('a runtime with the %s store on a bad network', (name, make) => {
  it(
    `does everything once and tells everybody everything in order, through ${STEPS} steps (L1, L2, L3)`,
    { timeout: 60_000 + STEPS * 10 },
    async () => {
      process.stderr.write(`simulation of the ${name} store: SIMULATION_SEED=${SEED}\n`);
      const simulation = new Simulation(make(), SEED);
      try {
        await simulation.begin();
        for (let step = 0; step < STEPS; step += 1) await simulation.step();
        const atRest = await simulation.comeToRest();
        const { clients, crashes, cuts } = simulation;
        expect(clients.flatMap(({ faults }) => faults)).toEqual([]);
        const open = clients.filter(({ unanswered, unfinished }) => unanswered > 0 || unfinished.length > 0);
        expect(open.map(({ name, unanswered, unfinished }) => ({ name, unanswered, unfinished }))).toEqual(
          [],
        );
        expect(atRest).toBe(true);
        for (const client of clients) expect(await simulation.replayOf(client)).toEqual(client.events);
        const events = clients.reduce((sum, client) => sum + client.events.length, 0);
        const jobs = new Set(clients.flatMap((client) => [...client.jobs.values()])).size;
        expect(new Set(clients.flatMap((client) => [...client.jobs.keys()])).size).toBe(jobs);
        process.stderr.write(`${jobs} jobs, ${events} events, ${cuts} cuts, ${crashes} crashes\n`);
      } finally {
        await simulation.end();
      }
    },
  );
});
