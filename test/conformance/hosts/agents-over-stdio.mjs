/** The conformance agents as a process: what a runtime starts where they are to be child processes. */
import { conformanceAgents } from '../../../dist/conformance/agents/index.js';
import { hostStdio } from '../../../dist/host/index.js';

await hostStdio(conformanceAgents());
