/** What a job does that has others work for it, and what that costs. */
import { expect } from 'vitest';
import { DEFAULT_SPAWN_DEPTH } from '../../src/protocol/worker-profile.js';
import type { Delegation, Model } from './model.js';
import { OfJob } from './steps.js';
import { budgetOf, type Currency } from './tree.js';
import { CHARGE, type World } from './world.js';

/** As deep as a profile that nobody has asked for lets a tree grow. */
const MAX_DEPTH = DEFAULT_SPAWN_DEPTH;

function depthOf(job: Model['jobs'][number]): number {
  return job.parent === undefined ? 0 : 1 + depthOf(job.parent);
}

export class Delegate extends OfJob {
  readonly asked: Delegation;

  constructor(pick: number, asked: Delegation) {
    super(pick);
    this.asked = asked;
  }

  override check(model: Readonly<Model>): boolean {
    return super.check(model) && depthOf(this.chosen(model)) < MAX_DEPTH;
  }

  async act(model: Model, world: World): Promise<void> {
    const job = this.chosen(model);
    const { agent, budget, key, again, onParentEnd } = this.asked;
    const { ctx } = world.puppets.get(world.jobId(job));
    const own = budgetOf(budget);
    const given = ctx.delegate(agent, {
      ...(own === undefined ? {} : { budget: own }),
      again,
      onParentEnd,
      ...(key === undefined ? {} : { key }),
    });
    const delegated = model.delegate(job, this.asked);
    if (delegated.kind === 'refused') {
      await expect(given).rejects.toMatchObject({ code: delegated.code });
      return;
    }
    const { jobId } = await given;
    if (delegated.kind === 'begun') {
      expect(world.jobIds).not.toContain(jobId);
      world.jobIds.push(jobId);
    }
    expect(jobId).toBe(world.jobId(delegated.child));
  }

  toString(): string {
    return `job ${this.pick} delegates ${JSON.stringify(this.asked)}`;
  }
}

export class Charge extends OfJob {
  readonly currency: Currency;
  readonly amount: number;

  constructor(pick: number, currency: Currency, amount: number) {
    super(pick);
    this.currency = currency;
    this.amount = amount;
  }

  async act(model: Model, world: World): Promise<void> {
    const job = this.chosen(model);
    const { ctx } = world.puppets.get(world.jobId(job));
    const charged = ctx.charge(CHARGE, String(this.amount), this.currency);
    if (model.charge(job, this.currency, this.amount)) await charged;
    else await expect(charged).rejects.toMatchObject({ code: 'BUDGET_EXHAUSTED' });
  }

  toString(): string {
    return `job ${this.pick} spends ${this.amount} ${this.currency}`;
  }
}
