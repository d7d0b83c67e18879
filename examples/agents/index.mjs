/** The agents of this folder, as `arcp serve --agents examples/agents/index.mjs` loads them. */
import { codeStats } from './code-stats.mjs';
import { repoReports } from './repo-report.mjs';

/** @type {import('arcp-runtime').Agent[]} */
const agents = [codeStats, ...repoReports];

export default agents;
