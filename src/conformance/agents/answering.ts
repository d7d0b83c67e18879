/** The agents that answer at once: with their arguments, their version, or a failure. */
import type { Agent } from '../../agents/agent.js';
import { defineAgent } from '../../agents/define-agent.js';
import { ArcpError } from '../../protocol/errors.js';

const echo = defineAgent({
  name: 'echo',
  version: '1.0.0',
  description: 'Returns its arguments.',
  run: (input) => input,
});

const versioned = ['1.0.0', '2.0.0'].map((version) =>
  defineAgent({
    name: 'versioned',
    version,
    default: version === '1.0.0',
    description: 'Returns its version.',
    run: () => version,
  }),
);

const fail = defineAgent({
  name: 'fail',
  version: '1.0.0',
  description: 'Fails.',
  run: () => {
    throw new ArcpError('INTERNAL', 'deliberate failure', { retryable: false });
  },
});

const fast = defineAgent({
  name: 'fast',
  version: '1.0.0',
  description: 'Completes at once.',
  run: () => 'done',
});

export const answeringAgents: readonly Agent[] = [echo, ...versioned, fail, fast];
