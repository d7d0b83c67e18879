/**
 * The conformance agents: small, exact, and the same in every runtime that hosts them, so that one suite can drive all.
 * `spec-fixtures/agents.json` describes each of them without a word of TypeScript; a test holds the two together.
 */
import type { Agent } from '../../agents/agent.js';
import { systemClock, type Clock } from '../../clock.js';
import { actingAgents } from './acting.js';
import { answeringAgents } from './answering.js';
import { askingAgents } from './asking.js';
import { charger } from './charger.js';
import { delegator } from './delegator.js';
import { sequence } from './sequence.js';
import { streamingAgents } from './streaming.js';
import { streamAgents } from './streams.js';
import { tree } from './tree.js';
import { waitOn } from './wait.js';
import { waitingAgents } from './waiting.js';

export function conformanceAgents(clock: Clock = systemClock): Agent[] {
  return [
    ...answeringAgents,
    ...waitingAgents(waitOn(clock)),
    charger,
    ...streamingAgents,
    ...streamAgents,
    delegator,
    sequence,
    tree,
    ...askingAgents,
    ...actingAgents,
  ];
}
